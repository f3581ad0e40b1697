// What Python mounted, as bytes: u32 length | JSON of the mount | magic | u16 version | u16 zero | u32 length | JSON header | body.

/** {mount, header, body}. Cheap; throws when the bytes are no `what` payload, which begins with `magic`. */
function readEnvelope(data, magic, what) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from, to) => new TextDecoder().decode(bytes.subarray(from, to));
  const start = 4 + view.getUint32(0, true);
  const mount = JSON.parse(text(4, start));
  if (text(start, start + 4) !== magic || view.getUint16(start + 4, true) !== 1) {
    throw new Error(`this is not a ${what} payload of version 1`);
  }
  const head = start + 12;
  const end = head + view.getUint32(start + 8, true);
  return { mount, header: JSON.parse(text(head, end)), body: bytes.subarray(end) };
}

/** Bytes as numbers of a type; a copy starts at offset 0 and so is aligned for every type. */
function typed(Type, raw) {
  const copy = raw.slice();
  return new Type(copy.buffer, 0, copy.byteLength / Type.BYTES_PER_ELEMENT);
}

// WebGL2 programs of the particle player, and the triangles of bars and curves.

const GLSL = "#version 300 es\nprecision highp float;\n";

// Codes to clip space; an axis that wraps moves the short way round.
const PLACE = `
uniform float u_view, u_margin, u_lost, u_frac, u_leap; uniform bool u_flat, u_wrap;
bool lost(vec2 p) { return p.x >= u_lost || p.y >= u_lost; }
vec2 step_to(vec2 a, vec2 b) { vec2 d = b - a; return u_wrap ? d - u_view * round(d / u_view) : d; }
bool leapt(vec2 d) { return max(abs(d.x), abs(d.y)) > u_leap; }                // a jump: nothing lies between
vec2 clip(vec2 p) { return (p - u_margin) / u_view * 2.0 - 1.0; }`;

const POINT_VS = GLSL + PLACE + `
layout(location=0) in vec2 a; layout(location=1) in vec2 b; layout(location=2) in float c;
uniform float u_size, u_now; uniform sampler2D u_ramp; out vec4 v_color; out float v_size;
void main() {
  vec2 d = step_to(a, b), p = a + (lost(b) || leapt(d) ? vec2(0.0) : u_frac * d);
  if (u_wrap) p = u_margin + mod(p - u_margin, u_view);
  vec2 at = clip(p);
  if (u_flat) at = vec2(u_now, at.x);
  gl_Position = vec4(lost(a) ? vec2(9.0) : at, 0.0, 1.0);
  gl_PointSize = u_size; v_size = u_size;
  v_color = texelFetch(u_ramp, ivec2(int(c + 0.5), 0), 0);
}`;
const POINT_FS = GLSL + `
in vec4 v_color; in float v_size; uniform vec4 u_rim; uniform float u_alpha; out vec4 color;
void main() {
  float r = length(gl_PointCoord - 0.5) * v_size, edge = 0.5 * v_size - 0.5;
  float cover = 1.0 - smoothstep(edge - 0.5, edge + 0.5, r);
  if (cover <= 0.0) discard;
  vec3 fill = mix(v_color.rgb, u_rim.rgb, u_rim.a * smoothstep(edge - 1.6, edge - 0.6, r));
  float alpha = cover * u_alpha;
  color = vec4(fill * alpha, alpha);
}`;

// Everything below is one plain draw call of triangles: software WebGL pays for every instance of an instanced one.
const CORNER = `
int corner() { int k = gl_VertexID % 6; return k < 3 ? k : k == 3 ? 2 : k == 4 ? 1 : 3; }`;

// Pieces of path from frame to frame as thin quads: piece = (frame - first) * n + particle, codes in a texture.
const PATH_VS = GLSL + PLACE + CORNER + `
uniform highp usampler2D u_codes;
vec2 code(int i) { return vec2(texelFetch(u_codes, ivec2(i & 2047, i >> 11), 0).rg); }
uniform int u_n, u_first, u_layers; uniform bool u_partial; uniform float u_width, u_fade; uniform vec2 u_pixels;
uniform sampler2D u_times, u_ramp, u_colors; out vec4 v_color; out float v_side; out float v_fade;
void main() {
  int piece = gl_VertexID / 6, layer = piece / u_n, particle = piece - layer * u_n, frame = u_first + layer;
  vec2 a = code(frame * u_n + particle), b = code((frame + 1) * u_n + particle);
  vec2 d = step_to(a, b);
  if (u_partial && layer == u_layers - 1) d *= u_frac;
  vec2 p = clip(a), q = clip(a + d);
  if (u_flat) {
    float t = texelFetch(u_times, ivec2(frame, 0), 0).r;
    float s = texelFetch(u_times, ivec2(min(frame + 1, textureSize(u_times, 0).x - 1), 0), 0).r;
    p = vec2(t, p.x); q = vec2(u_partial && layer == u_layers - 1 ? mix(t, s, u_frac) : s, q.x);
  }
  vec2 along = (q - p) * u_pixels; float size = length(along);
  vec2 unit = size > 1e-4 ? along / size : vec2(1.0, 0.0);
  int k = corner();
  float end = float(k >> 1), side = float(k & 1) * 2.0 - 1.0, reach = 0.5 * u_width + 1.0;
  vec2 at = mix(p, q, end) + vec2(-unit.y, unit.x) * side * reach / u_pixels;
  gl_Position = vec4(lost(a) || lost(b) || leapt(step_to(a, b)) ? vec2(9.0) : at, 0.0, 1.0);
  v_side = side * reach;
  v_fade = u_fade > 0.0 ? pow((float(layer) + end + (u_partial ? 1.0 - u_frac : 1.0)) / float(u_layers + 1), u_fade) : 1.0;
  float c = texelFetch(u_colors, ivec2(particle & 1023, particle >> 10), 0).r * 255.0;
  v_color = texelFetch(u_ramp, ivec2(int(c + 0.5), 0), 0);
}`;
const PATH_FS = GLSL + `
in vec4 v_color; in float v_side; in float v_fade; uniform float u_width, u_alpha; out vec4 color;
void main() {
  float alpha = clamp(0.5 * u_width + 0.5 - abs(v_side), 0.0, 1.0) * v_fade * u_alpha;
  color = vec4(v_color.rgb * alpha, alpha);
}`;

const COVER_VS = GLSL + `
out vec2 v_uv;
void main() { v_uv = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1)); gl_Position = vec4(v_uv * 2.0 - 1.0, 0.0, 1.0); }`;
const DENSITY_FS = GLSL + `
in vec2 v_uv; uniform sampler2D u_from, u_to; uniform float u_frac, u_fill, u_line; uniform vec3 u_tint; out vec4 color;
void main() {
  float d = mix(texture(u_from, v_uv).r, texture(u_to, v_uv).r, u_frac);
  float level = d * 5.0 + 0.5, slope = fwidth(level);
  float line = slope > 0.004 ? 1.0 - smoothstep(0.1, 1.1, min(fract(level), 1.0 - fract(level)) / slope) : 0.0;
  float alpha = u_fill * sqrt(d) * (0.4 + 0.6 * d) + u_line * line * smoothstep(0.04, 0.1, d);
  color = vec4(u_tint * alpha, alpha);
}`;
// Pictures: code 0 is a hole, 1..255 run along the colours.
const IMAGE_FS = GLSL + `
in vec2 v_uv; uniform sampler2D u_from, u_to, u_ramp; uniform float u_frac; out vec4 color;
void main() {
  float a = texture(u_from, v_uv).r, b = texture(u_to, v_uv).r;
  if (a == 0.0 || b == 0.0) discard;
  color = vec4(texelFetch(u_ramp, ivec2(int(mix(a, b, u_frac) * 255.0 + 0.5), 0), 0).rgb, 1.0);
}`;
const ARROW_VS = GLSL + CORNER + `
uniform highp isampler2D u_field; uniform ivec2 u_keys, u_shown; uniform int u_stride;
uniform float u_frac, u_cell, u_scale; uniform ivec2 u_grid; uniform vec2 u_pixels; out vec2 v_at; out vec2 v_shape;
void main() {
  int cell = gl_VertexID / 6, k = corner(), column = cell % u_shown.x * u_stride, row = cell / u_shown.x * u_stride;
  vec2 a = vec2(texelFetch(u_field, ivec2(column, row + u_grid.y * u_keys.x), 0).rg);
  vec2 b = vec2(texelFetch(u_field, ivec2(column, row + u_grid.y * u_keys.y), 0).rg);
  vec2 v = mix(a, b, u_frac) / 63.5; float size = length(v);
  float len = min(1.0, size) * u_cell;
  vec2 unit = size > 1e-4 ? v / size : vec2(1.0, 0.0);
  float head = min(0.5 * len, 5.0 * u_scale);
  vec2 center = (vec2(float(column), float(row)) + 0.5) / vec2(u_grid) * 2.0 - 1.0;
  float along = (float(k >> 1) - 0.5) * (len + 2.0), across = (float(k & 1) - 0.5) * (1.2 * head + 4.0 * u_scale);
  v_at = vec2(along, across); v_shape = vec2(len, head);
  vec2 offset = unit * along + vec2(-unit.y, unit.x) * across;
  gl_Position = vec4(len < 2.0 ? vec2(9.0) : center + offset / u_pixels, 0.0, 1.0);
}`;
const ARROW_FS = GLSL + `
in vec2 v_at; in vec2 v_shape; uniform float u_alpha, u_scale; uniform vec3 u_tint; out vec4 color;
void main() {
  float tip = 0.5 * v_shape.x - v_at.x, tail = v_at.x + 0.5 * v_shape.x, aside = abs(v_at.y);
  float shaft = clamp(0.6 * u_scale + 0.5 - aside, 0.0, 1.0) * clamp(tip - v_shape.y + 0.5, 0.0, 1.0) * clamp(tail + 0.5, 0.0, 1.0);
  float head = clamp(0.55 * tip + 0.5 - aside, 0.0, 1.0) * clamp(v_shape.y - tip + 0.5, 0.0, 1.0);
  float alpha = max(shaft, head) * u_alpha;
  color = vec4(u_tint * alpha, alpha);
}`;

// Strips: triangles made in JavaScript, (x, y) in pixels of the strip and the distance from the middle of a line.
const SHAPE_VS = GLSL + `
layout(location=0) in vec3 v; uniform vec2 u_pixels; out float v_side;
void main() { gl_Position = vec4(v.xy / u_pixels - 1.0, 0.0, 1.0); v_side = v.z; }`;
const SHAPE_FS = GLSL + `
in float v_side; uniform float u_width; uniform vec4 u_color; out vec4 color;
void main() {
  float alpha = u_color.a * clamp(0.5 * u_width + 0.5 - abs(v_side), 0.0, 1.0);
  color = vec4(u_color.rgb * alpha, alpha);
}`;

const END = [0, 0, 1, 1, 0, 1];
const SIDE = [-1, 1, -1, -1, 1, 1];

/** Triangles of bars (heights 0..1) that stand on one side of a strip of w x h pixels, written into `out` (18 numbers a bar). */
function barTriangles(out, heights, { w, h }, upright, gap) {
  const step = (upright ? h : w) / heights.length;
  const full = upright ? w : h;
  const [along, up] = upright ? [1, 0] : [0, 1];
  for (let k = 0, at = 0; k < heights.length; k++) {
    const from = k * step;
    const to = from + step - gap;
    const tall = Math.min(1, heights[k]) * full;
    for (let i = 0; i < 6; i++, at += 3) {
      out[at + along] = END[i] ? to : from;
      out[at + up] = SIDE[i] > 0 ? tall : 0;
      out[at + 2] = 0;
    }
  }
  return 6 * heights.length;
}

/** Triangles of a line through heights (0..1) at even distances, written into `out` (18 numbers a piece). */
function curveTriangles(out, heights, { w, h }, upright, width) {
  const n = heights.length - 1;
  const [length, full] = upright ? [h / n, w] : [w / n, h];
  const reach = 0.5 * width + 1;
  const more = 0.3 * width;                                   // pieces overlap a little, so that bends have no gaps
  const [along, up] = upright ? [1, 0] : [0, 1];
  for (let k = 0, at = 0; k < n; k++) {
    const rise = (heights[k + 1] - heights[k]) * full;
    const size = Math.sqrt(length * length + rise * rise) || 1;
    const ux = length / size;
    const uy = rise / size;
    for (let i = 0; i < 6; i++, at += 3) {
      const s = END[i] ? 1 : -1;
      out[at + along] = (k + END[i]) * length - uy * SIDE[i] * reach + s * ux * more;
      out[at + up] = heights[k + END[i]] * full + ux * SIDE[i] * reach + s * uy * more;
      out[at + 2] = SIDE[i] * reach;
    }
  }
  return 6 * n;
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
    const log = [gl.getProgramInfoLog(made), ...gl.getAttachedShaders(made).map((s) => gl.getShaderInfoLog(s))];
    throw new Error("shader: " + log.join(" "));
  }
  const at = {};
  for (let i = 0; i < (gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS) || 0); i++) {
    const { name } = gl.getActiveUniform(made, i);
    at[name] = gl.getUniformLocation(made, name);
  }
  return { made, at };
}

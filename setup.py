"""What pyproject.toml cannot say: `.streamlit/config.toml` goes along, beside `app.py`, where Streamlit looks for it."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SETTINGS = str(Path(".streamlit") / "config.toml")


class BuildWithSettings(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, SETTINGS)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(SETTINGS, str(target))

    def get_source_files(self):
        return [*super().get_source_files(), SETTINGS]

    def get_outputs(self, include_bytecode=True):
        own = [] if self.editable_mode else [str(Path(self.build_lib, SETTINGS))]
        return [*super().get_outputs(include_bytecode), *own]


setup(cmdclass={"build_py": BuildWithSettings})

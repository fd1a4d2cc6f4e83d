"""Which GSD commands are installed, how they are spelled, and the texts that are typed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcode_jupyter.claude.gsd import (
    INSTALL_COMMAND,
    check_template,
    installed_commands,
    milestone_command,
    new_project_command,
    spell,
)
from wxcode_jupyter.errors import GsdMissing, InvalidRequest, NotFound

#: Small copies of what the three installers lay out.
DATA = Path(__file__).parents[2] / "data" / "gsd"
SPELLINGS = {
    "commands-folder": "/gsd:new-milestone",  # get-shit-done-cc 1.20.5, and 1.42.3 --local
    "skills": "/gsd-new-milestone",  # get-shit-done-cc 1.42.3 --global, and gsd-core 1.14.0 --global
    "commands-prefixed": "/gsd-new-milestone",  # gsd-core 1.14.0 --local
}
LAYOUTS = tuple(SPELLINGS)
CONTEXT = ".milestones/0123456789abcdef01234567/MILESTONE-CONTEXT.md"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "work space"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def install(layout: str, folder: Path) -> None:
    shutil.copytree(DATA / layout, folder, dirs_exist_ok=True)


def write_command(folder: Path, content: str | bytes, name: str = "odd") -> None:
    path = folder / ".claude" / "commands" / f"gsd-{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def milestone_text(
    workspace: Path, home: Path, template: str | None = None, *, element_name: str = "Billing", project_id: str = "p"
) -> str:
    return milestone_command(
        template,
        workspace,
        home,
        context_path=CONTEXT,
        milestone_id="m",
        project_id=project_id,
        element_name=element_name,
    )


# -- discovery ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", ["workspace", "home"])
def test_every_layout_in_either_place(workspace: Path, home: Path, layout: str, place: str) -> None:
    install(layout, workspace if place == "workspace" else home)
    command = installed_commands(workspace, home)["new-milestone"]
    assert command.name == "new-milestone"
    assert command.spelling == SPELLINGS[layout]
    assert command.description == "Start a new milestone cycle — update PROJECT.md and route to requirements"
    assert command.argument_hint == "[milestone name, e.g., 'v1.1 Notifications']"
    assert Path(command.path).is_file()


def test_nothing_installed(workspace: Path, home: Path) -> None:
    assert installed_commands(workspace, home) == {}
    (workspace / ".claude").write_text("a file, not a folder")
    (home / ".claude" / "skills").mkdir(parents=True)
    (home / ".claude" / "skills" / "other").mkdir()
    (home / ".claude" / "commands").mkdir()
    (home / ".claude" / "commands" / "other.md").write_text("")
    assert installed_commands(workspace, home) == {}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("other", LAYOUTS)
def test_the_workspace_wins_over_home(workspace: Path, home: Path, layout: str, other: str) -> None:
    install(layout, workspace)
    install(other, home)
    command = installed_commands(workspace, home)["new-milestone"]
    assert command.spelling == SPELLINGS[layout]
    assert Path(command.path).is_relative_to(workspace)


def test_commands_that_only_home_has_are_there_too(workspace: Path, home: Path) -> None:
    install("commands-prefixed", workspace)
    install("commands-folder", home)
    commands = installed_commands(workspace, home)
    assert list(commands) == ["health", "new-milestone", "new-project"]
    assert commands["health"].spelling == "/gsd:health"
    assert commands["new-project"].spelling == "/gsd-new-project"


def test_a_newer_layout_wins_over_what_an_older_one_left_behind(workspace: Path, home: Path) -> None:
    install("commands-folder", workspace)
    install("commands-prefixed", workspace)
    assert installed_commands(workspace, home)["new-milestone"].spelling == "/gsd-new-milestone"


def test_the_config_dir_of_the_cli_replaces_home(workspace: Path, home: Path, tmp_path: Path) -> None:
    install("commands-folder", home)
    install("skills", tmp_path / "elsewhere")
    commands = installed_commands(workspace, home, config_dir=tmp_path / "elsewhere" / ".claude")
    assert commands["new-milestone"].spelling == "/gsd-new-milestone"
    assert "health" not in commands


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no front matter",
        "---\ndescription: never closed\n",
        "---\ndescription: [broken\n---\n",
        "---\ndescription: a: b: c\n---\n",
        "---\n- a\n- list\n---\n",
        "---\ndescription: {a: b}\n---\n",
        "---\ndescription: 2024-13-45\n---\n",
        "---\ndescription: !!python/object/apply:os.system ['false']\n---\n",
        b"\xff\xfe\x00",
    ],
)
def test_broken_front_matter_costs_the_help_only(workspace: Path, home: Path, content: str | bytes) -> None:
    write_command(workspace, content)
    command = installed_commands(workspace, home)["odd"]
    assert command.spelling == "/gsd-odd"
    assert command.argument_hint == ""
    assert command.description in ("", "2024-13-45")


def test_front_matter_of_other_editors(workspace: Path, home: Path) -> None:
    write_command(workspace, "\ufeff---\r\ndescription: >\r\n  two\r\n  lines\r\nargument-hint: 3\r\n---\r\nbody")
    command = installed_commands(workspace, home)["odd"]
    assert (command.description, command.argument_hint) == ("two lines", "3")


def test_a_hint_that_yaml_takes_for_a_list(workspace: Path, home: Path) -> None:
    install("commands-folder", workspace)
    assert installed_commands(workspace, home)["health"].argument_hint == "[--repair]"


def test_names_that_cannot_be_typed_and_files_that_cannot_be_read_are_no_commands(workspace: Path, home: Path) -> None:
    write_command(workspace, "", name="two words")
    write_command(workspace, "", name="-option")
    write_command(workspace, "", name="line\nbreak")
    folder = workspace / ".claude" / "commands"
    (folder / "gsd-dangling.md").symlink_to("nowhere")
    (folder / "gsd-folder.md").mkdir()
    (workspace / ".claude" / "skills" / "gsd-empty").mkdir(parents=True)
    assert installed_commands(workspace, home) == {}


# -- spelling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["new-milestone", "gsd:new-milestone", "/gsd:new-milestone", "/gsd-new-milestone"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_spell(workspace: Path, home: Path, layout: str, name: str) -> None:
    install(layout, workspace)
    assert spell(name, workspace, home) == SPELLINGS[layout]


def test_spell_without_gsd_says_how_to_install_it(workspace: Path, home: Path) -> None:
    with pytest.raises(GsdMissing) as caught:
        spell("new-milestone", workspace, home)
    assert f"cd '{workspace}' && {INSTALL_COMMAND}" in caught.value.message
    assert caught.value.install == INSTALL_COMMAND
    assert caught.value.workspace == str(workspace)


def test_spell_names_what_is_near(workspace: Path, home: Path) -> None:
    install("skills", workspace)
    with pytest.raises(NotFound, match="new-milestone"):
        spell("new-milestones", workspace, home)


# -- a milestone's command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("template", [None, ""])
def test_the_default_command(workspace: Path, home: Path, layout: str, template: str | None) -> None:
    install(layout, workspace)
    assert milestone_text(workspace, home, template) == f"{SPELLINGS[layout]} {CONTEXT}"


def test_without_gsd_there_is_no_command(workspace: Path, home: Path) -> None:
    with pytest.raises(GsdMissing, match="npx @opengsd/gsd-core --claude --local"):
        milestone_text(workspace, home)


def test_a_gsd_without_milestones_is_missing_too(workspace: Path, home: Path) -> None:
    write_command(workspace, "", name="new-project")  # what `--minimal` installs has no new-milestone
    with pytest.raises(GsdMissing, match="has no new-milestone"):
        milestone_text(workspace, home)


def test_a_template_of_another_program_needs_no_gsd(workspace: Path, home: Path) -> None:
    template = "/wxcode:new-milestone {context_path} {milestone_id} {project_id} {element_name}"
    assert milestone_text(workspace, home, template) == f"/wxcode:new-milestone {CONTEXT} m p Billing"


def test_a_gsd_template_takes_the_installed_spelling(workspace: Path, home: Path) -> None:
    template = "/gsd:new-milestone {context_path} --reset-phase-numbers"
    with pytest.raises(GsdMissing):
        milestone_text(workspace, home, template)
    install("skills", home)
    assert milestone_text(workspace, home, template) == f"/gsd-new-milestone {CONTEXT} --reset-phase-numbers"


@pytest.mark.parametrize(
    "template",
    [
        "{unknown}",
        "{}",
        "{0}",
        "{context_path",
        "context_path}",
        "{context_path!r}",
        "{context_path:>3}",
        "{context_path.__class__}",
        "{context_path[0]}",
        "  \n",
        "{ element_name}",
    ],
)
def test_templates_that_cannot_be_filled_in(workspace: Path, home: Path, template: str) -> None:
    with pytest.raises(InvalidRequest, match="template"):
        check_template(template)
    with pytest.raises(InvalidRequest, match="template"):
        milestone_text(workspace, home, template)


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match=r"'contxt_path'.*\{context_path\}, \{milestone_id\}"):
        check_template("/x {contxt_path}")


def test_doubled_braces_are_braces(workspace: Path, home: Path) -> None:
    assert milestone_text(workspace, home, "/x {{{milestone_id}}}") == "/x {m}"


def test_braces_and_line_breaks_in_a_name_are_harmless(workspace: Path, home: Path) -> None:
    name = "{milestone_id} {0.__class__} {{\r\nsecond\x1b[31m\u2028third"
    text = milestone_text(workspace, home, "/x {element_name}", element_name=name)
    assert text == "/x {milestone_id} {0.__class__} {{ second [31m third"


@given(st.text())
def test_whatever_the_name_the_command_is_one_line(name: str) -> None:
    text = milestone_text(Path("nowhere"), Path("nowhere"), "/x {element_name} end", element_name=name)
    assert len(text.splitlines()) == 1
    assert text.startswith("/x ")
    assert text.endswith(" end")
    assert not any(ord(character) < 32 for character in text)


# -- the project's first command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_new_project(workspace: Path, home: Path, layout: str) -> None:
    install(layout, workspace)
    text = new_project_command(None, workspace, home, brief_path="b.md", project_id="p", project_name="n")
    assert text == SPELLINGS[layout].replace("milestone", "project") + " @b.md --auto"


def test_new_project_with_a_template(workspace: Path, home: Path) -> None:
    template = "/x {brief_path} {project_id} {project_name}"
    text = new_project_command(template, workspace, home, brief_path="b.md", project_id="p", project_name="a\nb")
    assert text == "/x b.md p a b"
    with pytest.raises(GsdMissing):
        new_project_command(None, workspace, home, brief_path="b.md", project_id="p", project_name="n")

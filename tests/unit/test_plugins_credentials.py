# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credentials directory: private under every umask, shared by controllers, encrypted with ansible-vault."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import lookup_loader

from ansible_collections.rollcall.discovery.plugins.plugin_utils._credentials import CredentialsDirectory
from ansible_collections.rollcall.discovery.plugins.plugin_utils._pki import Authority

VAULT = VaultLib([("default", VaultSecret(b"open sesame"))])
OTHER_VAULT = VaultLib([("default", VaultSecret(b"something else"))])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "project" / ".rollcall"


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    former = os.umask(request.param)
    yield request.param
    os.umask(former)


def fill(path: Path, vault: VaultLib | None = None) -> None:
    """What a first run creates."""
    CredentialsDirectory(path, vault).create_password("root")
    CredentialsDirectory(path, vault).create_password("node/web/web1")
    Authority(CredentialsDirectory(path / "tls", vault)).ensure("etcd1", ["127.0.0.1"], 365, 30)


def test_only_the_owner_may_enter_whatever_the_umask(path: Path, umask: int) -> None:
    fill(path)
    modes = {str(one.relative_to(path)): one.stat().st_mode & 0o777 for one in path.rglob("*")}
    assert path.stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_mode & 0o022 == 0
    assert modes == {
        "passwords": 0o700,
        "passwords/root": 0o600,
        "passwords/node": 0o700,
        "passwords/node/web": 0o700,
        "passwords/node/web/web1": 0o600,
        "tls": 0o700,
        "tls/.lock": modes["tls/.lock"] & 0o600,
        "tls/ca.crt": 0o644,
        "tls/ca.key": 0o600,
        "tls/etcd1.crt": 0o644,
        "tls/etcd1.key": 0o600,
    }


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o707])
@pytest.mark.parametrize("name", ["", "tls", "passwords", "passwords/node", "passwords/node/web"])
def test_a_directory_that_others_may_write_is_refused_with_the_command_that_mends_it(
    path: Path, name: str, mode: int
) -> None:
    fill(path)
    (path / name).chmod(mode)
    with pytest.raises(AnsibleError, match="other users may write") as caught:
        CredentialsDirectory(path).password("node/web/web1")
    command = caught.value.text.partition("run: ")[2]
    assert command == f"chmod -R go-w {path}"
    subprocess.run(command.split(), check=True)
    assert CredentialsDirectory(path).password("node/web/web1")


@pytest.mark.parametrize("name", ["passwords/root", "passwords/node/web/web1", "tls/ca.crt", "tls/ca.key"])
def test_a_file_that_others_may_write_is_refused(path: Path, name: str) -> None:
    fill(path)
    (path / name).chmod(0o620)
    with pytest.raises(AnsibleError, match=f"other users may write {path / name}"):
        CredentialsDirectory(path).password("node/web/web1")


SECRETS = ("passwords/root", "passwords/node/web/web1", "tls/ca.key", "tls/etcd1.key")


def use_all(path: Path, vault: VaultLib | None = None) -> None:
    """Read what `fill` creates."""
    CredentialsDirectory(path, vault).password("node/web/web1")
    Authority(CredentialsDirectory(path / "tls", vault)).ensure("etcd1", ["127.0.0.1"], 365, 30)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o444])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_others_may_read_is_refused_with_the_command_that_mends_it(
    path: Path, name: str, mode: int
) -> None:
    fill(path)
    (path / name).chmod(mode)
    with pytest.raises(AnsibleError, match=f"other users may read {path / name}") as caught:
        use_all(path)
    subprocess.run(caught.value.text.partition("Run: ")[2].split(), check=True)
    use_all(path)


@pytest.mark.parametrize("name", SECRETS[:3:2])
def test_the_secrets_of_the_whole_cluster_are_looked_at_whichever_file_is_used(path: Path, name: str) -> None:
    fill(path)
    (path / name).chmod(0o644)
    with pytest.raises(AnsibleError, match=f"other users may read {path / name}"):
        CredentialsDirectory(path).password("node/web/web1")


def test_everybody_may_read_what_is_encrypted_as_in_a_clone_of_a_repository(path: Path) -> None:
    fill(path, VAULT)
    for one in path.rglob("*"):
        one.chmod(0o755 if one.is_dir() else 0o644)
    before = {one: one.read_bytes() for one in path.rglob("*") if one.is_file()}
    assert CredentialsDirectory(path, VAULT).password("root")
    use_all(path, VAULT)
    assert {one: one.read_bytes() for one in path.rglob("*") if one.is_file()} == before, "nothing is made anew"


def test_users_of_a_group_may_share_what_root_owns() -> None:
    with tempfile.TemporaryDirectory() as directory:  # which other users may be let into, unlike pytest's
        path = Path(directory)
        fill(path)
        for one in (path, *path.rglob("*")):
            os.chown(one, 0, 12345)
            one.chmod(0o750 if one.is_dir() else 0o640)
        file = path / "passwords/root"
        results: multiprocessing.Queue = multiprocessing.Queue()
        for mode, expected in ((0o640, file.read_text().strip()), (0o644, f"other users may read {file} (mode 0644)")):
            file.chmod(mode)
            process = multiprocessing.get_context("fork").Process(target=read_as_other, args=(path, results))
            process.start()
            assert expected in results.get(timeout=10)
            process.join()


def read_as_other(path: Path, results: multiprocessing.Queue) -> None:
    os.setgroups([12345])
    os.setgid(12345)
    os.setuid(12345)
    try:
        results.put(CredentialsDirectory(path).password("root"))
    except AnsibleError as exc:
        results.put(str(exc))


@pytest.mark.parametrize("name", ["tls/etcd1.key", "tls/etcd1.crt", "tls"])
def test_a_certificate_that_others_may_write_is_refused(path: Path, name: str) -> None:
    fill(path)
    (path / name).chmod((path / name).stat().st_mode | 0o002)
    with pytest.raises(AnsibleError, match="other users may write"):
        Authority(CredentialsDirectory(path / "tls")).ensure("etcd1", ["127.0.0.1"], 365, 30)


def test_a_directory_that_every_user_may_replace_is_refused(path: Path) -> None:
    fill(path)
    path.parent.chmod(0o777)
    with pytest.raises(AnsibleError, match=f"every user may replace it.* chmod o-w {path.parent}"):
        CredentialsDirectory(path)
    path.parent.chmod(0o1777)
    assert CredentialsDirectory(path).password("root")


@pytest.mark.parametrize("name", ["", "tls", "passwords/root", "passwords/node/web/web1"])
def test_what_belongs_to_another_user_is_refused(path: Path, name: str) -> None:
    fill(path)
    os.chown(path / name, 12345, -1)
    with pytest.raises(AnsibleError, match=r"belongs to another user \(id 12345\).* chown -R 0 "):
        CredentialsDirectory(path).password("node/web/web1")


@pytest.mark.parametrize("name", ["passwords", "passwords/root", "passwords/node/web/web1", "tls", "tls/ca.key"])
def test_a_symbolic_link_is_followed_nowhere(path: Path, tmp_path: Path, name: str) -> None:
    fill(path)
    (path / name).rename(tmp_path / "elsewhere")
    (path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AnsibleError, match=f"{path / name} is a symbolic link"):
        CredentialsDirectory(path).password("node/web/web1")


def test_the_directory_itself_may_be_reached_by_a_link(path: Path, tmp_path: Path) -> None:
    fill(path)
    (tmp_path / "link").symlink_to(path)
    assert CredentialsDirectory(tmp_path / "link").password("root") == CredentialsDirectory(path).password("root")


def test_secrets_are_encrypted_if_a_vault_password_is_loaded(path: Path) -> None:
    fill(path, VAULT)
    for name in ("passwords/root", "passwords/node/web/web1", "tls/ca.key", "tls/etcd1.key"):
        assert (path / name).read_bytes().startswith(b"$ANSIBLE_VAULT;1.1;AES256\n"), name
    assert (path / "tls/ca.crt").read_bytes().startswith(b"-----BEGIN CERTIFICATE")
    before = {one: one.read_bytes() for one in path.rglob("*") if one.is_file()}
    fill(path, VAULT)
    assert {one: one.read_bytes() for one in path.rglob("*") if one.is_file()} == before


def test_files_that_were_encrypted_later_are_read(path: Path, tmp_path: Path, ansible_bin: Path) -> None:
    """With ansible-vault itself, as an operator does it."""
    fill(path)
    password = CredentialsDirectory(path).password("root")
    secret = tmp_path / "vault"
    secret.write_text("open sesame")
    files = [path / "passwords/root", path / "tls/ca.key", path / "tls/etcd1.key"]
    command = [ansible_bin / "ansible-vault", "encrypt", "--vault-password-file", secret, *files]
    subprocess.run(command, check=True, capture_output=True)
    assert CredentialsDirectory(path, VAULT).password("root") == password
    before = files[1].read_bytes()
    Authority(CredentialsDirectory(path / "tls", VAULT)).ensure("etcd2", ["127.0.0.1"], 365, 30)
    assert files[1].read_bytes() == before


@pytest.mark.parametrize("vault", [None, VaultLib(), OTHER_VAULT], ids=["no vault", "no password", "another password"])
def test_a_vault_password_that_is_missing_or_wrong_changes_nothing(path: Path, vault: VaultLib | None) -> None:
    fill(path, VAULT)
    before = {one: one.read_bytes() for one in path.rglob("*") if one.is_file()}
    for use in (
        lambda: CredentialsDirectory(path, vault).create_password("root"),
        lambda: Authority(CredentialsDirectory(path / "tls", vault)).ensure("etcd1", ["10.0.0.1"], 365, 30),
    ):
        with pytest.raises(AnsibleError, match="Cannot decrypt .*Give its vault password"):
            use()
    assert {one: one.read_bytes() for one in path.rglob("*") if one.is_file()} == before


def create(path: Path, number: int, results: multiprocessing.Queue) -> None:
    results.put(CredentialsDirectory(path).create_password("root"))
    Authority(CredentialsDirectory(path / "tls")).ensure(f"etcd{number}", ["127.0.0.1"], 365, 30)


def test_controllers_at_the_same_moment_agree_on_the_first_one(path: Path) -> None:
    results: multiprocessing.Queue = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=create, args=(path, number, results)) for number in range(8)]
    for process in processes:
        process.start()
    found = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    assert found == {CredentialsDirectory(path).password("root")}
    assert not [one for one in path.rglob(".*") if one.name != ".lock"], "no draft is left"
    for number in range(8):
        command = ["openssl", "verify", "-CAfile", path / "tls/ca.crt", path / f"tls/etcd{number}.crt"]
        subprocess.run(command, check=True, capture_output=True)


def test_a_password_that_another_controller_has_just_created_stays(path: Path) -> None:
    """Also on a file system without locks."""
    directory = CredentialsDirectory(path)
    assert directory.create("passwords/root", b"first\n") == b"first\n"
    assert directory.create("passwords/root", b"second\n") == b"first\n"


def test_nothing_is_written_if_all_is_there(path: Path) -> None:
    """So it may be a file system that cannot be written."""
    fill(path)
    (path / "tls/.lock").unlink()
    before = {one: one.stat().st_mtime_ns for one in (path, *path.rglob("*"))}
    fill(path)
    assert {one: one.stat().st_mtime_ns for one in (path, *path.rglob("*"))} == before


def test_a_directory_that_cannot_be_written_is_an_error_that_says_so() -> None:
    with pytest.raises(AnsibleError, match="Cannot write /proc/.*complete: run the play once on a controller"):
        CredentialsDirectory(Path("/proc/self/net/.rollcall")).create_password("root")


def test_names_that_lead_elsewhere_are_refused(path: Path) -> None:
    for name in ("../root", "a/../../b", "/etc/passwd", ".lock", "", "a//b"):
        with pytest.raises(AnsibleError, match="cannot have a generated password"):
            CredentialsDirectory(path).create_password(name)


def test_an_empty_password_is_an_error(path: Path) -> None:
    fill(path)
    (path / "passwords/root").write_text("\n")
    with pytest.raises(AnsibleError, match="is empty: it must hold the password of the etcd user root"):
        CredentialsDirectory(path).password("root")


def test_a_key_of_another_authority_is_refused(path: Path) -> None:
    fill(path)
    fill(path.parent / "other")
    (path / "tls/ca.key").write_bytes((path.parent / "other/tls/ca.key").read_bytes())
    with pytest.raises(AnsibleError, match=r"ca\.key is not the key of .*/ca\.crt"):
        Authority(CredentialsDirectory(path / "tls")).ensure("etcd2", ["127.0.0.1"], 365, 30)


def test_the_lookup_creates_passwords_only_if_that_is_asked_for(path: Path) -> None:
    lookup = lookup_loader.get("rollcall.discovery.password")
    with pytest.raises(AnsibleError, match=f"{path} has no password of the etcd user root. Copy passwords/root"):
        lookup.run(["root"], {}, directory=str(path))
    assert lookup.run(["root"], {}, directory=str(path), on_missing="empty") == [""]
    assert not path.exists()
    (password,) = lookup.run(["root"], {}, directory=str(path), on_missing="create")
    assert len(password) == 32
    assert lookup.run(["root"], {}, directory=str(path)) == [password]


def test_the_lookup_has_the_vault_passwords_of_ansible(path: Path) -> None:
    loader = DataLoader()
    loader.set_vault_secrets(VAULT.secrets)
    lookup = lookup_loader.get("rollcall.discovery.password", loader=loader)
    (password,) = lookup.run(["root"], {}, directory=str(path), on_missing="create")
    assert (path / "passwords/root").read_bytes().startswith(b"$ANSIBLE_VAULT")
    assert CredentialsDirectory(path, VAULT).password("root") == password


def test_fingerprints_are_those_that_openssl_prints(path: Path) -> None:
    fill(path)
    lookup = lookup_loader.get("rollcall.discovery.fingerprints")
    certs = [path / "tls/ca.crt", path / "tls/etcd1.crt"]
    printed = [
        subprocess.run(
            ["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256"],
            check=True,
            capture_output=True,
            text=True,
        )
        .stdout.strip()
        .partition("=")[2]
        for cert in certs
    ]
    bundle = "# both\n" + "".join(cert.read_text() for cert in certs)
    assert lookup.run([bundle], {}) == printed
    assert lookup.run([bundle.replace("\n", "\r\n")], {}) == printed
    assert lookup.run([""], {}) == []

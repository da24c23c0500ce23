package registrycmd

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// here runs a command in this process.
func here(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

// writeRequest makes a signing request as old instructions have it: with a common
// name alone.
func writeRequest(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "old.example"}}, key)
	if err == nil {
		err = os.WriteFile(name, der, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCertificateStory goes from nothing to a served certificate in the words
// of the documentation.
func TestCertificateStory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	writeRequest(t, in("cn.csr"))
	ca := []string{"--ca", in("tls/ca.crt"), "--ca-key", in("tls/ca.key")}
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"cert", "init", "--dir", in("tls"), "--name", "cdh1"}, 0, "issued"},
		{[]string{"cert", "init", "--dir", in("tls"), "--name", "cdh1"}, 0, "kept"},
		{[]string{"cert", "inspect", in("tls/server.crt")}, 0, " UTC\nnames:      cdh1"},
		{[]string{"cert", "explain", in("tls/server.crt"), "--name", "cdh1", "--ca", in("tls/ca.crt"), "--key", in("tls/server.key")}, 0, "no reason"},
		{[]string{"cert", "explain", in("tls/server.crt"), "--name", "harbor.daemon.io", "--ca", in("tls/ca.crt")}, 1, "not for harbor.daemon.io"},
		{[]string{"cert", "csr", "--name", "harbor.daemon.io", "--name", "IP:10.0.0.5", "--key", in("k"), "--out", in("csr")}, 0, ""},
		{append([]string{"cert", "sign", in("csr"), "--out", in("crt")}, ca...), 0, ""},
		{[]string{"cert", "explain", in("crt"), "--name", "harbor.daemon.io", "--ca", in("tls/ca.crt"), "--key", in("k")}, 0, "valid for: harbor.daemon.io, 10.0.0.5"},
		{[]string{"cert", "explain", in("crt"), "--key", in("tls/server.key"), "--ca", in("tls/ca.crt")}, 1, "key does not belong"},
		{[]string{"cert", "explain", in("crt"), "--name", "harbor.daemon.io"}, 1, "neither among the authorities"},
		{[]string{"cert", "csr", "--name", "again.daemon.io", "--key", in("k"), "--out", in("csr2")}, 0, ""},
		{append([]string{"cert", "issue", "--name", "other", "--out", in("o.crt"), "--key", in("o.key")}, ca...), 0, ""},
		{[]string{"cert", "inspect", in("o.crt")}, 0, "ECDSA"},
		{[]string{"cert", "issue", "--name", "IP:cdh1"}, 1, "use DNS:cdh1"},
		{[]string{"cert", "issue"}, 125, "at least one --name"},
		{[]string{"cert", "inspect", in("nothing")}, 1, "neither a readable file nor HOST:PORT"},
		{[]string{"cert", "inspect", "127.0.0.1:1"}, 1, "refused"},
		{[]string{"cert", "inspect", in("k")}, 0, "private key: of no certificate here"},
		{[]string{"cert", "explain", in("k")}, 1, "no certificate in it"},
		{append([]string{"cert", "sign", in("k")}, ca...), 1, "no signing request"},
		{append([]string{"cert", "sign", in("cn.csr")}, ca...), 1, "(CN=old.example) and no subject alternative names; clients look at nothing else; give one with --name"},
		{append([]string{"cert", "sign", in("cn.csr"), "--name", "old.example", "--name", "10.0.0.7", "--out", in("cn.crt")}, ca...), 0, ""},
		{[]string{"cert", "inspect", in("cn.crt")}, 0, "names:      old.example, 10.0.0.7"},
		{[]string{"cert", "sign"}, 125, "arg"},
		{[]string{"cert", "mend"}, 125, `there is no command "registry cert mend"`},
		{[]string{"client-config", "containerd", "hub.example:5000", "--user", "ci"}, 0, "ca = \"/etc/containerd/certs.d/hub.example:5000/ca.crt\""},
		{[]string{"client-config", "podman", "hub.example", "--plain-http"}, 0, "podman login --tls-verify=false -u admin hub.example"},
		{[]string{"client-config", "docker", "https://hub.example"}, 125, "want HOST or HOST:PORT, without scheme or path"},
		{[]string{"client-config", "dokcer", "hub.example"}, 125, `client "dokcer": it is one of docker, podman`},
	} {
		out, errs, code := here(t, "", step.args...)
		// An address that this machine has only since, as of a bridge that another test
		// made, is a reason to issue again.
		for n := 0; n < 10 && step.want == "kept" && !strings.Contains(out, step.want); n++ {
			out, errs, code = here(t, "", step.args...)
		}
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(step.args, " "), code, step.code, step.want, out, errs)
		}
	}
	for name, perm := range map[string]os.FileMode{"k": 0o600, "o.key": 0o600, "crt": 0o644} {
		if fi, err := os.Stat(in(name)); err != nil || fi.Mode().Perm() != perm {
			t.Errorf("%s: %v %v", name, fi, err)
		}
	}
}

// TestUsers manages accounts beside a running registry.
func TestUsers(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	root := []string{"--root", p.root}
	status := func(name, password, method, path string) int {
		t.Helper()
		time.Sleep(600 * time.Millisecond) // a change holds within a second
		got, _, _ := p.as(name, password, method, path)
		return got
	}
	step := func(stdin, want string, code int, args ...string) string {
		t.Helper()
		out, errs, got := here(t, stdin, append(args, root...)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
		return strings.TrimSpace(out)
	}
	const uploads = "/v2/team/app/blobs/uploads/"
	step("alice's password\n", "", 0, "user", "add", "alice", "--password-stdin")
	step("another password", "exists already", 1, "user", "add", "alice", "--password-stdin")
	step("short", "at least 8", 1, "user", "add", "bob", "--password-stdin")
	step("long enough", "user name", 1, "user", "add", "bob:x", "--password-stdin")
	step("", "no terminal", 125, "user", "add", "bob")
	step("", "exclude each other", 125, "user", "add", "bob", "--random", "--password-stdin")
	if got := status("alice", "alice's password", "GET", "/v2/"); got != 200 {
		t.Errorf("alice signs in: %d", got)
	}
	if got := status("alice", "alice's password", "POST", uploads); got != 403 {
		t.Errorf("alice pushes without a role: %d", got)
	}
	step("", `project "team" does not exist; make it with: registry project create team`, 1, "project", "member", "team", "alice", "developer")
	step("", `project "lirbary" does not exist`, 1, "project", "public", "lirbary")
	step("", `project "Team": a name is`, 1, "project", "create", "Team")
	step("", "", 0, "project", "create", "team")
	step("", "exists already", 1, "project", "create", "team")
	step("", "", 0, "project", "create", "mirror", "--public")
	step("", "", 0, "project", "public", "team")
	step("", "", 0, "project", "private", "team")
	step("", "mirror    yes      no            20", 0, "project", "list")
	step("", "it stays", 1, "project", "rm", "library")
	step("", "does not exist", 1, "project", "rm", "nothing", "mirror")
	if got := step("", "", 0, "project", "list", "-q"); got != "library\nteam" {
		t.Errorf("projects: %q", got)
	}
	step("", "", 0, "project", "member", "team", "alice", "developer")
	if got := status("alice", "alice's password", "POST", uploads); got != 202 {
		t.Errorf("alice pushes as a developer: %d", got)
	}
	step("", "limited-guest", 1, "project", "member", "team", "alice", "boss")
	step("", "does not exist", 1, "project", "member", "team", "nobody", "guest")
	step("", "", 0, "project", "member", "team", "alice", "none")
	if got := status("alice", "alice's password", "POST", uploads); got != 403 {
		t.Errorf("alice pushes after she was removed: %d", got)
	}
	password := step("", "", 0, "user", "passwd", "alice", "--random")
	if was, is := status("alice", "alice's password", "GET", "/v2/"), status("alice", password, "GET", "/v2/"); was != 401 || is != 200 {
		t.Errorf("alice's old password: %d, her new one: %d", was, is)
	}
	step("", "alice   no", 0, "user", "list")
	step("", "", 0, "user", "disable", "alice")
	step("", "alice   no      yes", 0, "user", "list")
	if got := status("alice", password, "GET", "/v2/"); got != 401 {
		t.Errorf("alice while she is disabled: %d", got)
	}
	step("", "", 0, "user", "enable", "alice")
	if got := status("alice", password, "GET", "/v2/"); got != 200 {
		t.Errorf("alice when she is enabled again: %d", got)
	}
	step("", "last administrator", 1, "user", "disable", "admin")
	step("", "(Operator)   user.change   alice    admin=false disabled=false", 0, "audit", "list", "-n", "1")
	if got := step("", "", 0, "audit", "list", "--object", "team", "--since", "1h", "--format", "{{.Action}}"); got != "member.set\nmember.set\nproject.public\nproject.public\nproject.create" {
		t.Errorf("the log of team: %q", got)
	}
	step("", `"actor":"(Operator)","action":"user.add","object":"alice"}`, 0, "audit", "list", "--action", "user.add", "--format", "json")
	step("", "duration as 24h", 125, "audit", "list", "--since", "yesterday")
	step("", "at least one line", 125, "audit", "list", "--limit", "0")
	step("", "", 0, "user", "rm", "alice")
	step("", "does not exist", 1, "user", "rm", "alice")
	if got := status("alice", password, "GET", "/v2/"); got != 401 {
		t.Errorf("alice after she is gone: %d", got)
	}
	reset := step("", "", 0, "user", "passwd", "admin", "--random")
	kept, err := os.ReadFile(filepath.Join(p.root, "admin-password"))
	if got := status("admin", reset, "GET", "/v2/"); got != 200 || err != nil || strings.TrimSpace(string(kept)) != reset {
		t.Errorf("the administrator after a reset: %d, %v", got, err)
	}
	step("a password of my own", "", 0, "user", "passwd", "admin", "--password-stdin")
	if _, err := os.Stat(filepath.Join(p.root, "admin-password")); !os.IsNotExist(err) {
		t.Errorf("admin-password still holds one that is not true any more: %v", err)
	}
	if got := step("", "", 0, "user", "list", "-q"); got != "admin" {
		t.Errorf("users: %q", got)
	}
	step("", `"admin" is the last administrator and stays until there is another; make one with: registry user add NAME --admin`,
		1, "user", "rm", "admin")
	step("", "", 0, "user", "add", "second", "--random", "--admin")
	step("", `"second" is the last administrator`, 1, "user", "rm", "admin", "second")
	if got := step("", "", 0, "user", "list", "-q"); got != "second" {
		t.Errorf("users: %q", got)
	}
	if _, errs, code := here(t, "", "user", "list", "--root", filepath.Join(p.root, "nowhere")); code != 1 || !strings.Contains(errs, "no registry at") {
		t.Errorf("no such root: %d %s", code, errs)
	}
	p.Stop()
}

// TestEveryCommandIsExplained holds help to its form.
func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			if slices.Contains([]string{"help", "completion"}, below.Name()) {
				continue
			}
			if below.Short == "" || !below.HasSubCommands() && !strings.Contains(below.Example, "registry "+strings.TrimPrefix(below.CommandPath(), "registry ")) {
				t.Errorf("%s: no description, or no example", below.CommandPath())
			}
			walk(below)
		}
	}
	walk(New())
}

package certcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// in runs one command in a folder of files and returns what it printed.
func in(t *testing.T, dir, line string) (string, error) {
	t.Helper()
	args := strings.Fields(strings.ReplaceAll(line, "@", dir+"/"))
	cmd := New()
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	return strings.ReplaceAll(out.String(), dir+"/", "@"), err
}

// TestCommands follows a certificate from its authority to the mending of what
// clients refuse.
func TestCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pass"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const signer = " --ca @ca.crt --ca-key @ca.key"
	for _, step := range []struct{ line, want string }{
		{"init --dir @ --name hub.example", "issued @server.crt for hub.example"},
		{"inspect @server.crt", "names:      hub.example"},
		{"inspect @ca.crt", "(authority)"},
		{"inspect @server.key", "private key: of no certificate here"},
		{"csr --name new.example --key @new.key --out @new.csr", ""},
		{"inspect @new.csr", "(signing request)\nnames:      new.example"},
		{"explain @new.csr", "!a signing request, not yet a certificate"},
		{"issue --name p.example --pkcs12 @p.p12 --password-file @pass" + signer, ""},
		{"issue --name p.example --pkcs12 @q.p12" + signer, "!--pkcs12 needs --password-file"},
		{"inspect @p.p12 --password-file @pass", "names:      p.example\nkey:        ECDSA\nprivate key: of the first certificate"},
		{"inspect @p.p12", "!it is encrypted, and the password is missing or wrong"},
		{"explain @p.p12 --password-file @pass --ca @ca.crt", "no reason was found to refuse it"},
		{"issue --name a.example --out @a.crt --key @a.key" + signer, ""},
		{"fix @a.crt --key @a.key" + signer, "@a.crt: nothing to fix: valid for a.example"},
		{"fix @a.crt --key @a.key --name b.example --name 10.0.0.5" + signer, "@a.crt: issued again for a.example, b.example, 10.0.0.5, until"},
		{"inspect @a.crt.old", "names:      a.example\n"},
		{"explain @a.crt --key @a.key --name b.example --ca @ca.crt", "no reason was found to refuse it"},
		{"fix @a.crt --key @server.key" + signer, "issued again for a.example, b.example, 10.0.0.5"},
		{"fix @a.crt --key @server.key --name c.example", "1. send them @a.crt.csr"},
		{"inspect @a.crt.csr", "names:      a.example, b.example, c.example, 10.0.0.5"},
		{"sign @a.crt.csr --out @c.crt" + signer, ""},
		{"explain @c.crt --key @server.key.new --name c.example --ca @ca.crt", "no reason was found to refuse it"},
		{"fix @a.crt", "!--key is needed"},
		{"fix @a.crt --key @a.key --ca @missing.crt", "!no such file"},
	} {
		out, err := in(t, dir, step.line)
		want, fails := strings.CutPrefix(step.want, "!")
		if err != nil {
			out += err.Error()
		}
		if (err != nil) != fails || !strings.Contains(out, want) {
			t.Errorf("cert %s: %v\n%s\nwant %q", step.line, err, out, step.want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

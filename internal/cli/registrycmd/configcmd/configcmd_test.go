package configcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func run(args ...string) (string, error) {
	cmd := New()
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	return out.String(), err
}

// TestCheck: what serve would refuse is said without serving.
func TestCheck(t *testing.T) {
	t.Setenv("COVE_REGISTRY_CONFIG_LISTEN", ":444")
	dir := t.TempDir()
	for text, want := range map[string]string{
		"root: /srv/r\nhostnames: [hub.example]\n": "nothing is wrong\nlisten:   :444\nnames:    hub.example\nstorage:  /srv/r\ndatabase: SQLite in /srv/r\n",
		"lissen: :1\n":     "!:1: there is no key lissen; did you mean listen?",
		"tls: {key: /x}\n": "!there is a key and no certificate",
		"ldap: {url: \"ldap://x\", base_dn: y}\n": "!in the clear",
		"redirect: nonsense\n":                    "!redirect:",
	} {
		file := filepath.Join(dir, "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := run("check", file)
		want, fails := strings.CutPrefix(want, "!")
		if err != nil {
			out += err.Error()
		}
		if (err != nil) != fails || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s\nwant %q", text, err, out, want)
		}
	}
	if _, err := os.Stat("/srv/r"); err == nil {
		t.Error("a check made the root")
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	out, err := run("keys")
	if err != nil || !strings.Contains(out, "tls.certificate") || !strings.Contains(out, "COVE_REGISTRY_CONFIG_TLS_CERTIFICATE") {
		t.Errorf("%v\n%s", err, out)
	}
}

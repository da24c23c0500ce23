package registrycmd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBrowserTrustsTheAuthority opens a registry by its name in Chromium, over TLS: a person who
// has only told the browser of the registry's authority, as docs/registry.md says, sees the
// page; who has not, and who comes by a name that the certificate does not have, sees none.
func TestBrowserTrustsTheAuthority(t *testing.T) {
	t.Parallel()
	tool(t, "chromium")
	if _, err := exec.LookPath("certutil"); err != nil {
		t.Skip("needs certutil: install Debian's package libnss3-tools")
	}
	const host = "registry.example.com"
	p := serve(t, t.TempDir(), "--hostname", host)
	trusting, other := personWith(t, filepath.Join(p.root, "tls", "ca.crt")), personWith(t, "")
	if page := browse(t, trusting, host, p); !strings.Contains(page, `action="/sign-in"`) {
		t.Errorf("with the authority: %s", page)
	}
	if page := browse(t, other, host, p); !strings.Contains(page, "ERR_CERT_AUTHORITY_INVALID") || strings.Contains(page, "/sign-in") {
		t.Errorf("without the authority: %s", page)
	}
	if page := browse(t, trusting, "another.example.com", p); !strings.Contains(page, "ERR_CERT_COMMON_NAME_INVALID") {
		t.Errorf("by another name: %s", page)
	}
	p.Stop()
}

// personWith is the home of somebody who has installed an authority, or none.
func personWith(t *testing.T, ca string) (home string) {
	t.Helper()
	home, err := os.MkdirTemp("", "person-") //nolint:usetesting // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	db := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	succeed(t, exec.CommandContext(t.Context(), "certutil", "-N", "--empty-password", "-d", "sql:"+db))
	if ca != "" {
		succeed(t, exec.CommandContext(t.Context(), "certutil", "-A", "-d", "sql:"+db, "-n", "registry", "-t", "C,,", "-i", ca))
	}
	return home
}

// browse is the page that Chromium shows of a registry by a name, with nothing told to it but
// where that name leads.
func browse(t *testing.T, home, host string, p *process) string {
	t.Helper()
	_, port, _ := strings.Cut(p.Address, ":")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(home, "profile"),
		"--host-resolver-rules=MAP "+host+" 127.0.0.1", "--enable-logging=stderr", "--dump-dom", "https://"+host+":"+port+"/")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, &errs)
	}
	return string(out) + errs.String()
}

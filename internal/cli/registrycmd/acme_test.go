package registrycmd

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cove/registry/pki/acmetest"
)

// TestACMEStory serves with certificates of another authority: clients that trust
// that one alone come in, also by a name that a reload adds.
func TestACMEStory(t *testing.T) {
	t.Parallel()
	listen, redirect := acmetest.Free(t), acmetest.Free(t)
	authority := acmetest.Start(t, acmetest.Options{HTTP: redirect, TLS: listen})
	config := filepath.Join(t.TempDir(), "registry.yaml")
	write := func(names string) {
		t.Helper()
		text := fmt.Sprintf("listen: %s\nredirect: %s\nhostnames: [%s]\ntls:\n  acme: {directory: %q, ca_file: %q, agree_to_terms: true}\n",
			listen, redirect, names, authority.Directory, authority.CAFile)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("registry.test, 127.0.0.1")
	p := serve(t, t.TempDir(), "--config", config, "--listen", listen)
	client := func(name string) *http.Client {
		return &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: authority.Roots, ServerName: name}, DisableKeepAlives: true,
		}}
	}
	answers := func(name string) bool {
		resp, err := client(name).Get("https://" + listen + "/readyz")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}
	waitFor(t, "the certificate", func() bool { return answers("registry.test") })
	if answers("new.test") {
		t.Error("there is a certificate for a name that is not configured")
	}
	write("registry.test, new.test, 127.0.0.1")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the certificate of a new name", func() bool { return answers("new.test") })
	// Who trusts the registry's own authority goes on as before, by other names.
	if !p.ready() {
		t.Error("the registry's own certificate is gone")
	}
	p.Stop()
	if out := p.stdout.String(); strings.Contains(out, "copy") && strings.Contains(out, "ca.crt") {
		t.Errorf("clients are told to trust an authority that they need not:\n%s", out)
	}

	for text, want := range map[string]string{
		"tls: {acme: {}}\nhostnames: [a.example.com]\n":                        "agree_to_terms: true",
		"tls: {acme: {agree_to_terms: true}}\n":                                "there is no host name",
		"tls: {off: true, acme: {agree_to_terms: true}}\n":                     "or with tls off",
		"tls: {acme: {agree_to_terms: true, dir: x}}\nhostnames: [a.b]\n":      "dir",
		"tls: {acme: {agree_to_terms: true}}\nhostnames: [r.example.com]\n":    "",
		"tls: {certificate: /x, acme: {agree_to_terms: true}}\nhostnames: [a]": "a certificate of yours",
	} {
		file := filepath.Join(t.TempDir(), "registry.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, errs, code := here(t, "", "config", "check", file); (code == 0) != (want == "") || !strings.Contains(out+errs, want) {
			t.Errorf("%q: %d, want %q\n%s%s", text, code, want, out, errs)
		}
	}
}

package welcome_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/registry/server/config"
	"cove/registry/server/welcome"
)

func TestText(t *testing.T) {
	t.Parallel()
	plain := config.Config{Root: t.TempDir(), TLS: config.TLS{Off: true}}
	named := config.Config{Root: plain.Root, Hostnames: []string{"DNS:registry.test"}}
	if err := os.Mkdir(filepath.Join(plain.Root, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	// The SHA-256 of three bytes: what is in the file is not looked at here.
	const authority = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"
	if err := os.WriteFile(filepath.Join(plain.Root, "tls", "ca.crt"), []byte(authority), 0o600); err != nil {
		t.Fatal(err)
	}
	own := config.Config{Root: plain.Root, TLS: config.TLS{Certificate: "a.crt", Key: "a.key"}}
	for _, c := range []struct {
		start     welcome.Start
		has, lack []string
	}{
		{
			welcome.Start{Config: plain, Address: "127.0.0.1:5000", AdminPassword: "horse"},
			[]string{"registry at http://127.0.0.1:5000, listening on 127.0.0.1:5000", "password horse (shown this once", "TLS is off"},
			[]string{"warning"},
		},
		{
			welcome.Start{Config: named, Address: "[::]:443"},
			[]string{
				"registry at https://registry.test,", "/etc/docker/certs.d/registry.test/ca.crt", "docker login -u admin registry.test",
				"BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD", "The browser warns",
			},
			[]string{"password", "warning"},
		},
		{welcome.Start{Config: own, Address: "[::]:5000"}, []string{"registry at https://localhost:5000"}, []string{"certs.d"}},
		{welcome.Start{Config: plain, Address: "[::]:5000"}, []string{"warning: should a proxy with TLS stand before"}, nil},
		{welcome.Start{Config: plain, Address: "[::]:5000", Proxied: true}, []string{"warning: external_url is not set"}, nil},
	} {
		text := c.start.Text()
		for _, want := range c.has {
			if !strings.Contains(text, want) {
				t.Errorf("there is no %q in\n%s", want, text)
			}
		}
		for _, not := range c.lack {
			if strings.Contains(text, not) {
				t.Errorf("there is %q in\n%s", not, text)
			}
		}
	}
}

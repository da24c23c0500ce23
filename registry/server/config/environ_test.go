package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cove/internal/strictyaml"
)

// TestOverride: variables go before the file, key by key, and a wrong one is
// refused with the right one.
func TestOverride(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "listen: \":1\"\nhostnames: [a]\ntls: {off: true}\ngc: {interval: 5m, lease: 1h}\nldap: {url: \"ldaps://a\", base_dn: x}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"LISTEN": "127.0.0.1:2", "HOSTNAMES": "[b, c]", "TLS_OFF": "false", "GC_LEASE": "2h", "READ_ONLY": "true",
		"LDAP_BASE_DN": "dc=y", "LDAP_ALLOWED_GROUPS": "[dev]", "OIDC_CLIENT_ID": "123", "LIMITS_CONNECTIONS": "7",
	} {
		t.Setenv(VariablePrefix+name, value)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []struct{ got, want any }{
		{c.Listen, "127.0.0.1:2"},
		{c.Hostnames, []string{"b", "c"}},
		{c.TLS.Off, false},
		{c.GC.Interval, strictyaml.Duration(5 * time.Minute)},
		{c.GC.Lease, strictyaml.Duration(2 * time.Hour)},
		{c.ReadOnly, "true"}, // a text, though it looks like something else
		{c.LDAP.URL, "ldaps://a"},
		{c.LDAP.BaseDN, "dc=y"},
		{c.LDAP.Allowed, []string{"dev"}},
		{c.OIDC.ClientID, "123"},
		{c.Limits.Connections, 7},
	} {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("%#v, want %#v", check.got, check.want)
		}
	}
	for name, says := range map[string]string{
		"LISTN=x":               "did you mean COVE_REGISTRY_CONFIG_LISTEN?",
		"TLS=x":                 "there is no such setting",
		"TLS_OFF=perhaps":       "neither true nor false",
		"HOSTNAMES=a":           "it is a list",
		"GC_INTERVAL=[1]":       "no duration",
		"LIMITS_CONNECTIONS={a": "COVE_REGISTRY_CONFIG_LIMITS_CONNECTIONS",
	} {
		var c Config
		if err := c.override([]string{VariablePrefix + name}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", name, err, says)
		}
	}
	var none Config
	if err := none.override([]string{"COVE_REGISTRY_PORT=tcp://10.0.0.1:443", "COVE_REGISTRY_SERVICE_HOST=x"}); err != nil {
		t.Errorf("what Kubernetes sets: %v", err)
	}
}

// TestReference: the file in docs/registry.md, and those of sources in
// docs/admin.md, have every key, and no other.
func TestReference(t *testing.T) {
	t.Parallel()
	documented := ""
	for _, file := range []string{"registry.md", "admin.md"} {
		text, err := os.ReadFile(filepath.Join("../../../docs", file))
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(text), "```") {
			if i%2 == 1 && strings.HasPrefix(part, "yaml\n") {
				var c Config
				if err := strictyaml.Decode(file, []byte(strings.TrimPrefix(part, "yaml\n")), &c); err != nil {
					t.Errorf("%v in:\n%s", err, part)
				}
				documented += part
			}
		}
	}
	for name, key := range variables() {
		last := key.path[len(key.path)-1]
		if !strings.Contains(documented, last+":") {
			t.Errorf("%s, which %s sets, is in no example of the documents", strings.Join(key.path, "."), name)
		}
	}
}

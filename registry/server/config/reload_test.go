package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/internal/strictyaml"
	"cove/registry/identity/ldap"
	"cove/registry/identity/oidc"
	"cove/registry/pki/acme"
)

func TestReloaded(t *testing.T) {
	t.Parallel()
	yes := true
	was := Config{Root: "/r", Hostnames: []string{"a"}, Log: Log{Level: "info"}, LDAP: &ldap.Config{}}
	next := was
	next.Root, next.Hostnames, next.Drain = "/other", []string{"a", "b"}, strictyaml.Duration(time.Minute)
	next.Log = Log{Level: "debug", Access: &yes, Format: "json"}
	next.CORS.Origins = []string{"https://a.example"}
	next.LDAP = &ldap.Config{URL: "ldaps://d.example"}
	next.Limits.Stall = strictyaml.Duration(time.Second)

	r := was.Reloaded(next)
	want := []string{"cors.origins", "drain", "hostnames", "ldap.url", "log.access", "log.level"}
	if !slices.Equal(r.Taken, want) {
		t.Errorf("taken %q, want %q", r.Taken, want)
	}
	if want := []string{"limits.stall", "log.format", "root"}; !slices.Equal(r.Waiting, want) {
		t.Errorf("waiting %q, want %q", r.Waiting, want)
	}
	now := was
	now.Hostnames, now.Drain, now.CORS, now.LDAP = next.Hostnames, next.Drain, next.CORS, next.LDAP
	now.Log = Log{Level: "debug", Access: &yes}
	if !reflect.DeepEqual(r.Config, now) {
		t.Errorf("taken over:\n%+v\nwant\n%+v", r.Config, now)
	}
	if was.Log.Level != "info" || len(was.Hostnames) != 1 || was.LDAP.URL != "" {
		t.Error("the configuration that was compared changed")
	}
	if r := was.Reloaded(was); len(r.Taken)+len(r.Waiting) > 0 {
		t.Errorf("nothing changed, and %q were taken and %q wait", r.Taken, r.Waiting)
	}
	issued := was
	issued.TLS.ACME = &acme.Config{Hosts: []string{"a"}}
	more := issued
	more.TLS.ACME = &acme.Config{Hosts: []string{"a", "b"}}
	if r := issued.Reloaded(more); !slices.Equal(r.Taken, []string{"tls.acme.hosts"}) || len(r.Config.TLS.ACME.Hosts) != 2 ||
		len(issued.TLS.ACME.Hosts) != 1 {
		t.Errorf("hosts of another authority: %q were taken, %q wait", r.Taken, r.Waiting)
	}
	if r := was.Reloaded(more); !slices.Contains(r.Waiting, "tls.acme.hosts") || r.Config.TLS.ACME != nil {
		t.Errorf("a part that is new: %q wait", r.Waiting)
	}
	without := was
	without.LDAP = nil
	without.OIDC = &oidc.Config{Issuer: "https://i.example"}
	if r := next.Reloaded(without); r.Config.LDAP != nil || r.Config.OIDC != without.OIDC ||
		!slices.Contains(r.Taken, "ldap.url") || !slices.Contains(r.Taken, "oidc.issuer") {
		t.Errorf("a part that is gone, and one that is new: %q were taken", r.Taken)
	}
}

// TestLiveKeys: what is said to be taken is a key, or a part of the file.
func TestLiveKeys(t *testing.T) {
	t.Parallel()
	for _, of := range live {
		if !slices.ContainsFunc(Keys(), func(k Key) bool {
			return k.Path == of || strings.HasSuffix(of, ".") && strings.HasPrefix(k.Path, of)
		}) {
			t.Errorf("%q is no key", of)
		}
	}
}

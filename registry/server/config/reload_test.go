package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/internal/strictyaml"
	"cove/registry/identity/ldap"
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
	if want := []string{"cors.origins", "drain", "hostnames", "log.access", "log.level"}; !slices.Equal(r.Taken, want) {
		t.Errorf("taken %q, want %q", r.Taken, want)
	}
	if want := []string{"ldap.url", "limits.stall", "log.format", "root"}; !slices.Equal(r.Waiting, want) {
		t.Errorf("waiting %q, want %q", r.Waiting, want)
	}
	want := was
	want.Hostnames, want.Drain, want.CORS = next.Hostnames, next.Drain, next.CORS
	want.Log = Log{Level: "debug", Access: &yes}
	if !reflect.DeepEqual(r.Config, want) {
		t.Errorf("taken over:\n%+v\nwant\n%+v", r.Config, want)
	}
	if was.Log.Level != "info" || len(was.Hostnames) != 1 {
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
	if r := was.Reloaded(without); !slices.Contains(r.Waiting, "ldap.url") {
		t.Errorf("a part that is gone: %q wait", r.Waiting)
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

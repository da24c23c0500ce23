package ldap_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/identity/ldap"
	"cove/registry/identity/ldaptest"
)

// many is somebody who is in 5,000 groups.
func many() string {
	var b strings.Builder
	b.WriteString("\ndn: uid=many,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: many\ncn: Many\nsn: Example\n" +
		"userPassword: of ada and grace\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "\ndn: cn=g%d,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: g%d\n"+
			"member: uid=many,ou=people,dc=example,dc=org\n", i, i)
	}
	return b.String()
}

// TestManyGroups: all of 5,000 are there, whatever the directory gives at once; where
// it does not give them all that is said, and nobody comes in with a part of them.
func TestManyGroups(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]string{
		"pages":        fmt.Sprintf("limits dn.exact=%q size.soft=500 size.hard=500 size.prtotal=unlimited", ldaptest.BindDN),
		"no limit":     "sizelimit unlimited",
		"500, no more": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := ldaptest.StartWith(t, many(), limits)
			cfg := ldap.Config{
				URL: dir.TLS, CA: dir.CA, BaseDN: ldaptest.BaseDN, BindDN: ldaptest.BindDN, PasswordFile: dir.Secret,
				GroupBaseDN: "ou=groups," + ldaptest.BaseDN,
			}
			cfg.Admins = "g4999"
			if err := cfg.Check(); err != nil {
				t.Fatal(err)
			}
			d, err := ldap.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			p, err := d.Check(t.Context(), "many", ldaptest.Password)
			if limits == "" {
				if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "size.prtotal") || p.Name != "" {
					t.Errorf("%d groups, %v", len(p.Groups), err)
				}
				return
			}
			if err != nil || len(p.Groups) != 5000 || !slices.Contains(p.Groups, "g4999") || p.Admin == nil || !*p.Admin {
				t.Errorf("%d groups, %v", len(p.Groups), err)
			}
		})
	}
}

// TestOddNames: whatever somebody types for a name finds nobody else, and takes
// nothing down.
func TestOddNames(t *testing.T) {
	t.Parallel()
	dir := ldaptest.Start(t)
	cfg := ldap.Config{
		URL: dir.TLS, CA: dir.CA, BaseDN: ldaptest.BaseDN, BindDN: ldaptest.BindDN, PasswordFile: dir.Secret,
		GroupBaseDN: "ou=groups," + ldaptest.BaseDN,
	}
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	d, err := ldap.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"*", "a*", "(ada", "ada)", "ada)(|(uid=*", `ada\`, `\2a`, "ada\x00", "\x00", "ada\n", "áda", "ada,ou=people", "uid=ada,ou=people,dc=example,dc=org",
		strings.Repeat("a", 100_000), "\xff\xfe", "&", "|", "!", "",
	} {
		if p, err := d.Check(t.Context(), name, ldaptest.Password); p.Name != "" || !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("%.40q: %+v, %v", name, p, err)
		}
	}
	for _, password := range []string{"", "\x00", ldaptest.Password + "\x00", "*", strings.Repeat("x", 1<<20)} {
		if p, err := d.Check(t.Context(), "ada", password); p.Name != "" || !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("password %.20q: %+v, %v", password, p, err)
		}
	}
	if p, err := d.Check(t.Context(), "ada", ldaptest.Password); err != nil || p.Name != "ada" {
		t.Errorf("and ada herself: %+v, %v", p, err)
	}
}

// TestHangingDirectory: one that takes connections and says nothing is given up.
func TestHangingDirectory(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for scheme, start := range map[string]bool{"ldaps": false, "ldap": true} {
		cfg := ldap.Config{URL: scheme + "://" + l.Addr().String(), StartTLS: start, BaseDN: "dc=x"}
		if err := cfg.Check(); err != nil {
			t.Fatal(err)
		}
		d, err := ldap.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		if _, err := d.Check(t.Context(), "ada", "x"); !errors.Is(err, errdefs.ErrUnavailable) || time.Since(before) > 20*time.Second {
			t.Errorf("%s: %v after %v", scheme, err, time.Since(before))
		}
	}
}

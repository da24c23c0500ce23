package ldap_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/registry/identity"
	"cove/registry/identity/ldap"
	"cove/registry/identity/ldaptest"
)

// TestCheck signs people in by a real directory, by each way of reaching it.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := ldaptest.Start(t)
	base := ldap.Config{
		URL: dir.TLS, CA: dir.CA, BaseDN: ldaptest.BaseDN, BindDN: ldaptest.BindDN, PasswordFile: dir.Secret,
		GroupBaseDN: "ou=groups," + ldaptest.BaseDN,
	}
	check := func(change func(*ldap.Config), name, password string) (identity.Person, error) {
		t.Helper()
		cfg := base
		if change != nil {
			change(&cfg)
		}
		if err := cfg.Check(); err != nil {
			t.Fatal(err)
		}
		d, err := ldap.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return d.Check(t.Context(), name, password)
	}
	admins := func(c *ldap.Config) { c.Admins, c.Allowed = "admins", []string{"dev"} }
	grace, err := check(admins, "grace", ldaptest.Password)
	slices.Sort(grace.Groups)
	if err != nil || grace.Name != "grace" || !slices.Equal(grace.Groups, []string{"admins", "dev"}) || grace.Admin == nil ||
		!*grace.Admin || len(grace.Subject) != 36 || grace.Source != identity.LDAP {
		t.Errorf("grace: %+v, %v", grace, err)
	}
	for way, change := range map[string]func(*ldap.Config){
		"with StartTLS": func(c *ldap.Config) { c.URL, c.StartTLS = dir.URL, true },
		"in the clear":  func(c *ldap.Config) { c.URL, c.Insecure = dir.URL, true },
		"by her mail":   func(c *ldap.Config) { c.Filter = "(&(mail={name})(uid=ada))" },
		"whatever case": nil,
	} {
		name := map[string]string{"by her mail": "shared@example.org", "whatever case": "ADA"}[way]
		if name == "" {
			name = "ada"
		}
		if ada, err := check(change, name, ldaptest.Password); err != nil || ada.Name != "ada" || ada.Admin != nil {
			t.Errorf("ada %s: %+v, %v", way, ada, err)
		}
	}
	named := func(c *ldap.Config) { c.NameAttribute = "employeeNumber" }
	if odd, err := check(named, "odd, one (jr)*", ldaptest.Password); err != nil || odd.Name != "odd" || !slices.Equal(odd.Groups, []string{"dev"}) {
		t.Errorf("whose name separates parts of names: %+v, %v", odd, err)
	}
	for what, c := range map[string]struct {
		change         func(*ldap.Config)
		name, password string
		kind           error
	}{
		"a wrong password":         {nil, "ada", "wrong", errdefs.ErrUnauthenticated},
		"no password":              {nil, "ada", "", errdefs.ErrUnauthenticated},
		"who is locked out there":  {nil, "locked", ldaptest.Password, errdefs.ErrUnauthenticated},
		"nobody":                   {nil, "nobody", ldaptest.Password, errdefs.ErrUnauthenticated},
		"a filter for a name":      {nil, "*", ldaptest.Password, errdefs.ErrUnauthenticated},
		"a name that breaks out":   {nil, "ada)(uid=*", ldaptest.Password, errdefs.ErrUnauthenticated},
		"one of two":               {func(c *ldap.Config) { c.Filter = "(mail={name})" }, "shared@example.org", ldaptest.Password, errdefs.ErrDenied},
		"of no allowed group":      {func(c *ldap.Config) { c.Allowed = []string{"admins"} }, "ada", ldaptest.Password, errdefs.ErrDenied},
		"without a subject":        {func(c *ldap.Config) { c.SubjectAttribute = "employeeNumber" }, "ada", ldaptest.Password, errdefs.ErrDenied},
		"no such base":             {func(c *ldap.Config) { c.BaseDN = "dc=other,dc=org" }, "ada", ldaptest.Password, errdefs.ErrUnauthenticated},
		"an unknown certificate":   {func(c *ldap.Config) { c.CA = "" }, "ada", ldaptest.Password, errdefs.ErrUnavailable},
		"a directory that is down": {func(c *ldap.Config) { c.URL = "ldaps://127.0.0.1:1" }, "ada", ldaptest.Password, errdefs.ErrUnavailable},
		"who searches is refused":  {func(c *ldap.Config) { c.BindDN = "cn=nobody," + ldaptest.BaseDN }, "ada", ldaptest.Password, errdefs.ErrUnavailable},
	} {
		if p, err := check(c.change, c.name, c.password); !errors.Is(err, c.kind) || p.Name != "" {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  ldap.Config
		says string
	}{
		{ldap.Config{URL: "ldaps://d", BaseDN: "dc=x"}, ""},
		{ldap.Config{URL: "ldap://d", BaseDN: "dc=x", StartTLS: true}, ""},
		{ldap.Config{URL: "ldap://d", BaseDN: "dc=x"}, "in the clear"},
		{ldap.Config{URL: "ldaps://d", BaseDN: "dc=x", StartTLS: true}, "TLS from the beginning"},
		{ldap.Config{URL: "https://d", BaseDN: "dc=x"}, "neither ldaps://"},
		{ldap.Config{URL: "ldaps://d"}, "base_dn is missing"},
		{ldap.Config{URL: "ldaps://d", BaseDN: "dc=x", Filter: "(uid=x)"}, "lacks {name}"},
		{ldap.Config{URL: "ldaps://d", BaseDN: "dc=x", Filter: "(uid={name}"}, "filter"},
	} {
		err := c.cfg.Check()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.says)
		}
	}
}

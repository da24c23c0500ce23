// Package ldap has people signed in by a directory: their entry is searched for,
// and the password tried by binding as it (RFC 4513, section 5.1.3).
package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"cove/errdefs"
	"cove/registry/identity"
)

// Config is the directory. URL and BaseDN are required.
type Config struct {
	// URL is ldaps://HOST[:PORT], or ldap:// with StartTLS.
	URL      string `yaml:"url"`
	StartTLS bool   `yaml:"start_tls"`
	// Insecure lets passwords go through ldap:// as they are.
	Insecure bool   `yaml:"insecure"`
	CA       string `yaml:"ca"` // of its certificate, when the system does not know it
	// BindDN and PasswordFile are who searches; without them nobody does, namely
	// anonymously.
	BindDN       string `yaml:"bind_dn"`
	PasswordFile string `yaml:"bind_password_file"`
	// BaseDN is above the people; Filter finds one by {name}; "" is (uid={name}).
	BaseDN string `yaml:"base_dn"`
	Filter string `yaml:"filter"`
	// NameAttribute is the name of the account; "" is uid. SubjectAttribute never
	// changes; "" is entryUUID (RFC 4530), which Active Directory calls objectGUID.
	NameAttribute    string `yaml:"name_attribute"`
	SubjectAttribute string `yaml:"subject_attribute"`
	// GroupBaseDN is above the groups; "" asks for none. GroupFilter finds those of
	// {dn} or {name}; "" is (|(member={dn})(uniqueMember={dn})(memberUid={name})).
	// GroupAttribute is a group's name; "" is cn.
	GroupBaseDN    string `yaml:"group_base_dn"`
	GroupFilter    string `yaml:"group_filter"`
	GroupAttribute string `yaml:"group_attribute"`

	identity.Rules `yaml:",inline"`
}

const (
	// timeout bounds a question to the directory.
	timeout = 10 * time.Second
	// maxGroups bounds the groups of one person, which come by pages when they are many:
	// Active Directory gives a thousand at once, OpenLDAP 500.
	maxGroups, pageOfGroups = 10_000, 500
)

// Check refuses what cannot be, and fills in what is left out.
func (c *Config) Check() error {
	invalid := func(format string, args ...any) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: ldap: "+format, args...)
	}
	scheme, _, _ := strings.Cut(c.URL, "://")
	switch {
	case scheme != "ldap" && scheme != "ldaps":
		return invalid("url %q is neither ldaps://HOST nor ldap://HOST", c.URL)
	case scheme == "ldap" && !c.StartTLS && !c.Insecure:
		return invalid("url %q sends passwords in the clear: use ldaps://, start_tls, or say insecure: true", c.URL)
	case scheme == "ldaps" && c.StartTLS:
		return invalid("url %q has TLS from the beginning; leave start_tls out", c.URL)
	case c.BaseDN == "":
		return invalid("base_dn is missing: above which entry are the people?")
	}
	for _, d := range []struct {
		to    *string
		value string
	}{
		{&c.Filter, "(uid={name})"},
		{&c.NameAttribute, "uid"},
		{&c.SubjectAttribute, "entryUUID"},
		{&c.GroupFilter, "(|(member={dn})(uniqueMember={dn})(memberUid={name}))"},
		{&c.GroupAttribute, "cn"},
	} {
		if *d.to == "" {
			*d.to = d.value
		}
	}
	if !strings.Contains(c.Filter, "{name}") {
		return invalid("filter %q finds nobody by name: it lacks {name}", c.Filter)
	}
	for _, filter := range []string{c.Filter, c.GroupFilter} {
		if _, err := ldap.CompileFilter(fill(filter, "x", "x")); err != nil {
			return invalid("filter %q: %w", filter, err)
		}
	}
	return nil
}

// Directory checks passwords. It is safe for concurrent use.
type Directory struct {
	cfg    Config
	secret string
	tls    *tls.Config
}

// New reads the files of a configuration that was checked.
func New(cfg Config) (*Directory, error) {
	d := &Directory{cfg: cfg, tls: &tls.Config{MinVersion: tls.VersionTLS12}}
	if _, hostPort, ok := strings.Cut(cfg.URL, "://"); ok {
		d.tls.ServerName = hostOf(hostPort)
	}
	if cfg.PasswordFile != "" {
		secret, err := os.ReadFile(cfg.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("ldap: the password of %s: %w", cfg.BindDN, err)
		}
		d.secret = strings.TrimRight(string(secret), "\r\n")
	}
	if cfg.CA != "" {
		pem, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("ldap: %w", err)
		}
		d.tls.RootCAs = x509.NewCertPool()
		if !d.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "ldap: %s holds no certificate", cfg.CA)
		}
	}
	return d, nil
}

func hostOf(hostPort string) string {
	hostPort, _, _ = strings.Cut(hostPort, "/")
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.Trim(hostPort, "[]")
}

// Check is the person of a name and a password. A wrong pair, and a name that is
// not there, are errdefs.ErrUnauthenticated; whom the rules do not let in
// errdefs.ErrDenied; a directory that does not answer errdefs.ErrUnavailable.
func (d *Directory) Check(ctx context.Context, name, password string) (identity.Person, error) {
	if password == "" { // which many directories take for an anonymous bind (RFC 4513, section 5.1.2)
		return identity.Person{}, refused()
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return identity.Person{}, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	entry, err := d.find(conn, name)
	if err != nil {
		return identity.Person{}, err
	}
	if err := conn.Bind(entry.DN, password); err != nil {
		if ldap.IsErrorAnyOf(err, refusals...) {
			return identity.Person{}, refused()
		}
		return identity.Person{}, unavailable("trying the password", err)
	}
	person := identity.Person{
		Source: identity.LDAP, Subject: subjectOf(entry, d.cfg.SubjectAttribute),
		Name: entry.GetEqualFoldAttributeValue(d.cfg.NameAttribute),
	}
	if person.Name == "" || person.Subject == "" {
		return identity.Person{}, errdefs.Errorf(errdefs.ErrDenied, "ldap: %s lacks the attribute %s or %s", entry.DN,
			d.cfg.NameAttribute, d.cfg.SubjectAttribute)
	}
	if person.Groups, err = d.groups(conn, entry.DN, person.Name); err != nil {
		return identity.Person{}, err
	}
	return d.cfg.Apply(person)
}

// refusals are how directories say that somebody does not get in: by a wrong password, and
// an account that is locked (389 Directory Server and OpenLDAP say constraintViolation, others
// unwillingToPerform), or without a password. None of them is down.
var refusals = []uint16{
	ldap.LDAPResultInvalidCredentials, ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform,
	ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultNoSuchObject,
	ldap.LDAPResultInvalidDNSyntax,
}

// connect opens a connection of who searches.
func (d *Directory) connect(ctx context.Context) (*ldap.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	if deadline, ok := ctx.Deadline(); ok {
		dialer.Deadline = deadline
	}
	conn, err := ldap.DialURL(d.cfg.URL, ldap.DialWithTLSConfig(d.tls), ldap.DialWithDialer(dialer))
	if err != nil {
		return nil, unavailable("connecting", err)
	}
	conn.SetTimeout(timeout)
	if d.cfg.StartTLS {
		err = conn.StartTLS(d.tls)
	}
	if err == nil && d.cfg.BindDN != "" {
		err = conn.Bind(d.cfg.BindDN, d.secret)
	}
	if err != nil {
		_ = conn.Close()
		return nil, unavailable("signing in as "+d.cfg.BindDN, err)
	}
	return conn, nil
}

// find is the one entry of a name. Two are as good as none: the filter is wrong.
func (d *Directory) find(conn *ldap.Conn, name string) (*ldap.Entry, error) {
	got, err := conn.Search(ldap.NewSearchRequest(d.cfg.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2,
		int(timeout.Seconds()), false, fill(d.cfg.Filter, name, ""),
		[]string{d.cfg.NameAttribute, d.cfg.SubjectAttribute}, nil))
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return nil, refused()
	case err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return nil, unavailable("searching", err)
	case len(got.Entries) > 1:
		return nil, errdefs.Errorf(errdefs.ErrDenied, "ldap: the filter %s finds several people called %q",
			d.cfg.Filter, name)
	case len(got.Entries) == 0:
		return nil, refused()
	}
	return got.Entries[0], nil
}

// groups are searched for by the person himself, or by who searches when he may
// not.
func (d *Directory) groups(conn *ldap.Conn, dn, name string) ([]string, error) {
	if d.cfg.GroupBaseDN == "" {
		return nil, nil
	}
	if d.cfg.BindDN != "" {
		if err := conn.Bind(d.cfg.BindDN, d.secret); err != nil {
			return nil, unavailable("signing in as "+d.cfg.BindDN, err)
		}
	}
	filter := fill(d.cfg.GroupFilter, name, dn)
	ask := func() *ldap.SearchRequest {
		return ldap.NewSearchRequest(d.cfg.GroupBaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0,
			int(timeout.Seconds()), false, filter, []string{d.cfg.GroupAttribute}, nil)
	}
	got, err := conn.Search(ask())
	if ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) { // some give no pages, so that is second
		if paged, refused := conn.SearchWithPaging(ask(), pageOfGroups); refused == nil {
			got, err = paged, nil
		}
	}
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) || err == nil && len(got.Entries) > maxGroups:
		// Who came in with a part of his groups would lose what the others give him.
		return nil, unavailable("searching groups", fmt.Errorf("%s has more than the directory gives %s, or than %d: "+
			"raise its size limit (size.prtotal of OpenLDAP), or narrow group_filter", dn, d.cfg.BindDN, maxGroups))
	case err != nil:
		return nil, unavailable("searching groups", err)
	}
	var names []string
	for _, entry := range got.Entries {
		if name := entry.GetEqualFoldAttributeValue(d.cfg.GroupAttribute); name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// subjectOf is the attribute as text: Active Directory's are bytes.
func subjectOf(entry *ldap.Entry, attribute string) string {
	value := entry.GetEqualFoldRawAttributeValue(attribute)
	for _, b := range value {
		if b < ' ' || b > '~' {
			return fmt.Sprintf("%x", value)
		}
	}
	return string(value)
}

// fill puts a name and a distinguished name into a filter, as values alone: what
// means something in filters is escaped (RFC 4515).
func fill(filter, name, dn string) string {
	return strings.NewReplacer("{name}", ldap.EscapeFilter(name), "{dn}", ldap.EscapeFilter(dn)).Replace(filter)
}

func refused() error {
	return errdefs.Errorf(errdefs.ErrUnauthenticated, "wrong user name or password")
}

func unavailable(doing string, err error) error {
	var e *ldap.Error
	if errors.As(err, &e) && e.ResultCode == ldap.LDAPResultInvalidCredentials {
		err = errors.New("the directory refuses its password")
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "ldap: %s: %w", doing, err)
}

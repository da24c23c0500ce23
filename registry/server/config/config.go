// Package config is how a registry is served, as the file of --config has it.
package config

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
	"cove/internal/strictyaml"
	"cove/registry/audit/forward"
	"cove/registry/auth"
	"cove/registry/banner"
	"cove/registry/db"
	"cove/registry/edge"
	"cove/registry/identity/ldap"
	"cove/registry/identity/oidc"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/pairing"
	"cove/registry/pki"
	"cove/registry/pki/acme"
	"cove/registry/storage"
	"cove/registry/store/lives"
)

// Config is how a registry is served; as YAML it is the file of --config. The
// zero value is completed by [Config.Complete].
type Config struct {
	// Root is the folder of all state.
	Root string `yaml:"root"`
	// Listen is HOST:PORT; port 0 takes a free one.
	Listen string `yaml:"listen"`
	// Redirect, HOST:PORT, answers plain HTTP by sending clients to Listen.
	Redirect string `yaml:"redirect"`
	// Hostnames are names and addresses that the certificate must carry,
	// besides localhost and the machine's own.
	Hostnames []string `yaml:"hostnames"`
	TLS       TLS      `yaml:"tls"`
	// Database is a postgres:// URL; "" is SQLite inside Root.
	Database string `yaml:"database"`
	// Storage is where the bytes lie, and the records of what they mean.
	Storage Storage `yaml:"storage"`
	// ExternalURL is where clients reach a registry that stands behind a
	// proxy: https://harbor.example.com.
	ExternalURL string `yaml:"external_url"`
	// BeginAnew serves although database and content do not belong together.
	// Content of which the database knows little or nothing is set aside in the
	// root; beside a database that is merely older it stays, and what that does
	// not know is collected. It is for one start, so no file has it.
	BeginAnew bool `yaml:"-"`
	// Machine is this machine's clock, nil for the one it has: tests have wrong ones.
	Machine func() time.Time `yaml:"-"`
	// TrustedProxies are addresses and networks (10.0.0.0/8) of proxies whose
	// X-Forwarded-* and Forwarded headers are believed; nobody else's are.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// ReadOnly, unless "", refuses every change by the protocol and is the
	// reason that clients are told: "we move house until noon".
	ReadOnly string `yaml:"read_only"`
	// Banner is what everybody reads who opens a page.
	Banner banner.Banner `yaml:"banner"`
	// CORS says which pages of other origins may ask from a browser.
	CORS     edge.CORS `yaml:"cors"`
	Projects Projects  `yaml:"projects"`
	Accounts Accounts  `yaml:"accounts"`
	Sessions Sessions  `yaml:"sessions"`
	GC       GC        `yaml:"gc"`
	Audit    Audit     `yaml:"audit"`
	Log      Log       `yaml:"log"`
	Limits   Limits    `yaml:"limits"`
	Outbound Outbound  `yaml:"outbound"`
	// OIDC and LDAP vouch for people beside this registry's own accounts.
	OIDC *oidc.Config `yaml:"oidc"`
	LDAP *ldap.Config `yaml:"ldap"`
	// Drain is how long a stop waits for running requests; 0 is 30s.
	Drain strictyaml.Duration `yaml:"drain"`
	// AddressFile is written with the HOST:PORT that is served.
	AddressFile string `yaml:"address_file"`
}

// TLS says how connections are encrypted.
type TLS struct {
	// Off serves plain HTTP.
	Off bool `yaml:"off"`
	// Certificate and Key are files of one's own; both are read again when they
	// change. Without them the registry's own authority issues a certificate.
	// Without Key the certificate's file holds it too: PEM, or PKCS #12 with the
	// password that PasswordFile holds.
	Certificate  string `yaml:"certificate"`
	Key          string `yaml:"key"`
	PasswordFile string `yaml:"password_file"`
	// Suffixes end the names for which the registry's own authority issues a
	// certificate when a client asks for one.
	Suffixes []string `yaml:"suffixes"`
	// ACME gets certificates from another authority, as Let's Encrypt, for the host
	// names; clients that come by other names see the registry's own.
	ACME *acme.Config `yaml:"acme"`
}

// Own says that clients must trust the registry's own authority.
func (t TLS) Own() bool { return !t.Off && t.Certificate == "" && t.ACME == nil }

// check refuses what does not go together.
func (t TLS) check() error {
	invalid := func(text string) error { return errdefs.Errorf(errdefs.ErrInvalid, "config: tls: %s", text) }
	switch own := t.Certificate != ""; {
	case t.Key != "" && !own:
		return invalid("there is a key and no certificate")
	case t.PasswordFile != "" && (!own || t.Key != ""):
		return invalid("password_file is for a certificate whose file holds the key too (PKCS #12), without key")
	case t.Off && own:
		return invalid("it is off and has a certificate; remove one of them")
	case t.ACME != nil && (t.Off || own):
		return invalid("acme gets certificates; it does not with a certificate of yours, or with tls off")
	case len(t.Suffixes) > 0 && (t.Off || own):
		return invalid("suffixes are names for which the registry's own authority issues certificates; it does not with a certificate of yours, or with tls off")
	}
	if _, err := pki.ParseSuffixes(t.Suffixes...); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: tls: %w", err)
	}
	if t.ACME != nil {
		return t.ACME.Check()
	}
	return nil
}

// ClientHosts are the names and addresses by which clients are known to come.
func (c *Config) ClientHosts(names pki.Names) (hosts []string) {
	if u, err := url.Parse(c.ExternalURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	hosts = append(hosts, names.DNS...)
	for _, ip := range names.IPs {
		hosts = append(hosts, ip.String())
	}
	return hosts
}

// Host is HOST[:PORT] by which clients are known to come: of the external URL, or the
// first of the host names with the port that is listened on.
func (c *Config) Host() string {
	if u, err := url.Parse(c.ExternalURL); err == nil && u.Host != "" {
		return u.Host
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if len(c.Hostnames) > 0 {
		host = c.Hostnames[0]
	}
	if addr, failed := netip.ParseAddr(host); host == "" || failed == nil && addr.IsUnspecified() {
		if host, failed = os.Hostname(); failed != nil {
			host = "localhost"
		}
	}
	if standard := map[bool]string{false: "443", true: "80"}[c.TLS.Off]; err != nil || port == standard || port == "0" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// Address is where clients are known to come, as https://HOST[:PORT].
func (c *Config) Address() string {
	switch {
	case c.ExternalURL != "":
		return strings.TrimSuffix(c.ExternalURL, "/")
	case c.TLS.Off:
		return "http://" + c.Host()
	}
	return "https://" + c.Host()
}

// AuthMode is Harbor's word for who vouches for people.
func (c *Config) AuthMode() string {
	switch {
	case c.OIDC != nil:
		return "oidc_auth"
	case c.LDAP != nil:
		return "ldap_auth"
	}
	return "db_auth"
}

// Files are those of a certificate of one's own.
func (t TLS) Files() pki.Files {
	return pki.Files{Cert: t.Certificate, Key: t.Key, Password: t.PasswordFile}
}

// Projects says who may make them.
type Projects struct {
	// Creation is "admins" (the default) or "everyone" with an account.
	Creation string `yaml:"creation"`
}

// How people get accounts of their own accord.
const (
	RegistrationClosed   = "closed"   // not at all
	RegistrationApproval = "approval" // disabled, until an administrator enables them
	RegistrationOpen     = "open"     // at once
)

var registrations = []string{RegistrationClosed, RegistrationApproval, RegistrationOpen}

// Accounts says how people get them.
type Accounts struct {
	// Registration is one of the above; "" is closed.
	Registration string `yaml:"registration"`
	// RobotPrefix begins the names that robots sign in with; "" is robot$, which always works too.
	RobotPrefix string `yaml:"robot_prefix"`
}

var robotPrefix = regexp.MustCompile(`^[a-zA-Z0-9._+$@|~-]{0,32}$`)

// Sessions says how long who signed in to the pages stays so.
type Sessions struct {
	Idle strictyaml.Duration `yaml:"idle"` // unused; 0 is 2h
	Life strictyaml.Duration `yaml:"life"` // used or not; 0 is 12h
}

// GC says when bytes go.
type GC struct {
	Interval strictyaml.Duration `yaml:"interval"` // between collections; 0 is a minute
	Lease    strictyaml.Duration `yaml:"lease"`    // of blobs without a manifest; 0 is 2h
	Grace    strictyaml.Duration `yaml:"grace"`    // after a manifest's delete; 0 is 1h
	Uploads  strictyaml.Duration `yaml:"uploads"`  // life of an unfinished upload; 0 is 24h
}

// Lives say how long what nobody refers to stays.
func (g GC) Lives() lives.Lives {
	return lives.Lives{Lease: g.Lease.Or(0), Grace: g.Grace.Or(0), Uploads: g.Uploads.Or(0)}
}

// Every is the time between collections.
func (g GC) Every() time.Duration { return g.Interval.Or(time.Minute) }

// Audit says how long the audit log is kept, and where it is sent.
type Audit struct {
	Keep strictyaml.Duration `yaml:"keep"` // 0 is 8760h, a year
	// Forward is where its lines are sent.
	Forward []forward.Receiver `yaml:"forward"`
}

// KeepFor is how old a line of the audit log becomes.
func (a Audit) KeepFor() time.Duration { return a.Keep.Or(365 * 24 * time.Hour) }

// Outbound says where requests go whose address people of a project type, as those of
// webhooks.
type Outbound struct {
	// Allow are networks and addresses that are allowed besides public ones, as
	// 10.1.0.0/16.
	Allow []string `yaml:"allow"`
}

// Policy is what a checked one says.
func (o Outbound) Policy() outbound.Policy {
	p, err := outbound.ParsePolicy(o.Allow...)
	if err != nil {
		return outbound.Policy{}
	}
	return p
}

// Log says what is written to stderr.
type Log struct {
	Format string `yaml:"format"` // "text" (the default) or "json"
	Level  string `yaml:"level"`  // "debug", "info" (the default), "warn", "error"
	Access *bool  `yaml:"access"` // a line per request; the default is true
}

// Read reads a file. What is wrong in it is an error that names its line
// and, for a key it does not know, the one that was probably meant.
func Read(name string) (Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return Config{}, errdefs.Errorf(errdefs.ErrInvalid, "config: %w", err)
	}
	var c Config
	if err := strictyaml.Decode("config "+name, data, &c); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Complete fills in what is missing and refuses what cannot be.
func (c *Config) Complete() error {
	if c.Root == "" {
		c.Root = "/var/lib/cove-registry"
	}
	if c.Listen == "" {
		c.Listen = ":5000"
	}
	if c.Projects.Creation == "" {
		c.Projects.Creation = "admins"
	}
	if c.Accounts.Registration == "" {
		c.Accounts.Registration = RegistrationClosed
	}
	root, err := filepath.Abs(c.Root)
	if err != nil {
		return err
	}
	c.Root = root
	invalid := func(format string, args ...any) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: "+format, args...)
	}
	for key, addr := range map[string]string{"listen": c.Listen, "redirect": c.Redirect} {
		if addr == "" {
			continue
		}
		if err := edge.CheckAddress(addr); err != nil {
			return invalid("%s: %w", key, err)
		}
	}
	if _, err := pki.ParseNames(c.Hostnames...); err != nil {
		return invalid("hostnames: %w", err)
	}
	if _, err := edge.ParseProxies(c.TrustedProxies...); err != nil {
		return invalid("trusted_proxies: %w", err)
	}
	switch {
	case c.Audit.Keep < 0:
		return invalid("audit: keep is %v; use a time as 8760h", time.Duration(c.Audit.Keep))
	case c.TLS.Off && c.Redirect != "":
		return invalid("redirect: there is no https to send clients to while tls is off")
	case c.Projects.Creation != "admins" && c.Projects.Creation != "everyone":
		return invalid("projects: creation is %q; use admins or everyone", c.Projects.Creation)
	case !slices.Contains(registrations, c.Accounts.Registration):
		return invalid("accounts: registration is %q; use closed, approval or open", c.Accounts.Registration)
	case c.Database != "" && !db.IsPostgres(c.Database):
		return invalid("database: it is not postgres://USER@HOST/NAME; leave it out for SQLite in the root")
	case c.ExternalURL != "" && !isBaseURL(c.ExternalURL):
		return invalid("external_url: %q is not https://HOST[:PORT]", c.ExternalURL)
	}
	if err := c.checkParts(); err != nil {
		return err
	}
	if _, err = c.Log.MinLevel(); err != nil {
		return err
	}
	_, err = c.Log.Handler(io.Discard, slog.LevelInfo)
	return err
}

func isBaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == ""
}

// DSN is the database's name for metadata.Open.
func (c *Config) DSN() string {
	if c.Database != "" {
		return c.Database
	}
	return filepath.Join(c.Root, pairing.DatabaseFile)
}

// Judge has the policy as it is configured.
func (c *Config) Judge() auth.Judge {
	return auth.Judge{EveryoneCreates: c.Projects.Creation == "everyone"}
}

// Storage says where the bytes lie: in Root, unless it names a bucket.
type Storage struct {
	S3 *storage.S3 `yaml:"s3"`
}

// StorageConfig is what a registry's storage is opened with.
func (c *Config) StorageConfig(of *metadata.DB) storage.Config {
	cfg := storage.Config{Root: c.Root, DB: of}
	if c.Storage.S3 != nil {
		cfg.Bucket = c.Storage.S3.Place()
	}
	return cfg
}

// DatabaseLost looks for content of the root whose database is gone. A bucket is
// looked into once the database is open.
func (c *Config) DatabaseLost() error {
	if c.Storage.S3 != nil {
		return nil
	}
	return pairing.DatabaseLost(c.Root)
}

// checkParts asks those parts that know themselves what cannot be.
func (c *Config) checkParts() error {
	if err := errors.Join(c.TLS.check(), c.CORS.Check(), c.Limits.check(), c.Banner.Check()); err != nil {
		return err
	}
	if issued := c.TLS.ACME; issued != nil && len(issued.HostsOf(c.Hostnames)) == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"config: tls: acme: there is no host name to get a certificate for; set hostnames, or hosts")
	}
	if err := forward.CheckAll(c.Audit.Forward); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: audit: forward: %w", err)
	}
	if _, err := outbound.ParsePolicy(c.Outbound.Allow...); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: outbound: allow: %w", err)
	}
	if !robotPrefix.MatchString(c.Accounts.RobotPrefix) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"config: accounts: robot_prefix is %q; use up to 32 letters, digits and . _ + $ @ | ~ -", c.Accounts.RobotPrefix)
	}
	if c.OIDC != nil {
		if err := c.OIDC.Check(); err != nil {
			return err
		}
	}
	if c.LDAP != nil {
		if err := c.LDAP.Check(); err != nil {
			return err
		}
	}
	if c.Storage.S3 != nil {
		return c.Storage.S3.Check()
	}
	return nil
}

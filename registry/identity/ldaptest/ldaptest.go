// Package ldaptest runs OpenLDAP's slapd for tests, with a few people and groups.
package ldaptest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cove/registry/pki"
)

// What the directory holds.
const (
	BaseDN       = "dc=example,dc=org"
	BindDN       = "cn=reader,dc=example,dc=org"
	BindPassword = "reader's password"
	Password     = "of ada and grace"
)

// content are people called ada and grace, of whom grace is in dev and admins, and both
// have one mail address; "odd, one (jr)*", whose name is full of what separates parts of
// names, in dev too.
const content = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=reader,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader's password

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=ada,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: Example
mail: shared@example.org
userPassword: of ada and grace

dn: uid=grace,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: grace
cn: Grace
sn: Example
mail: shared@example.org
userPassword: of ada and grace

dn: uid=odd\, one (jr)*,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: odd, one (jr)*
uid: odd
cn: Odd
sn: Example
employeeNumber: odd
userPassword: of ada and grace

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: cn=dev,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: dev
member: uid=grace,ou=people,dc=example,dc=org
member: uid=ada,ou=people,dc=example,dc=org
member: UID=Odd\2C one (jr)*, OU=People, DC=example, DC=org

dn: cn=admins,ou=groups,dc=example,dc=org
objectClass: groupOfUniqueNames
cn: admins
uniqueMember: uid=grace,ou=people,dc=example,dc=org
`

// left are people who have left: the directory finds them, and is unwilling to let them in.
const left = `dn: ou=left,dc=example,dc=org
objectClass: organizationalUnit
ou: left

dn: uid=locked,ou=left,dc=example,dc=org
objectClass: inetOrgPerson
uid: locked
cn: Locked
sn: Example
userPassword: of ada and grace
`

// Directory is a slapd that runs.
type Directory struct {
	URL, TLS string // ldap://, which takes StartTLS, and ldaps://
	CA       string // file of the authority of its certificate
	Secret   string // file with BindPassword
}

// Start runs one until the test ends.
func Start(t *testing.T) Directory {
	t.Helper()
	return StartWith(t, "", "")
}

// StartWith runs one that has more entries, in LDIF, and limits, as slapd.conf(5) has
// them.
func StartWith(t *testing.T, entries, limits string) Directory {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/slapd"); err != nil {
		t.Skip("needs slapd: Debian's package slapd")
	}
	dir := t.TempDir()
	d := Directory{
		URL: "ldap://" + freePort(t), TLS: "ldaps://" + freePort(t),
		CA: filepath.Join(dir, "ca.crt"), Secret: filepath.Join(dir, "secret"),
	}
	certificate(t, dir)
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("secret", BindPassword+"\n")
	for _, db := range []string{"db", "left"} {
		if err := os.Mkdir(filepath.Join(dir, db), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	glue := "subordinate" // to one tree, of which slapd gives no pages
	if limits != "" {
		glue = ""
	}
	conf := write("slapd.conf", fmt.Sprintf(`modulepath /usr/lib/ldap
moduleload back_mdb
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile %[1]s/pid
TLSCertificateFile %[1]s/server.crt
TLSCertificateKeyFile %[1]s/server.key
database mdb
suffix "ou=left,%[4]s"
%[6]s
directory %[1]s/left
restrict bind
access to * by dn.exact=%[3]q read by * none
database mdb
suffix %[2]q
directory %[1]s/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=%[3]q read by * none
%[5]s
`, dir, BaseDN, BindDN, BaseDN, limits, glue))
	run(t, "/usr/sbin/slapadd", "-q", "-f", conf, "-b", BaseDN, "-l", write("content.ldif", content+entries))
	run(t, "/usr/sbin/slapadd", "-f", conf, "-b", "ou=left,"+BaseDN, "-l", write("left.ldif", left))
	cmd := exec.Command("/usr/sbin/slapd", "-d", "0", "-f", conf, "-h", d.URL+"/ "+d.TLS+"/")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	d.await(t)
	return d
}

// await waits until it listens.
func (d Directory) await(t *testing.T) {
	t.Helper()
	for range 600 {
		if conn, err := net.Dial("tcp", d.TLS[len("ldaps://"):]); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("slapd does not listen")
}

// certificate makes an authority and a certificate for localhost.
func certificate(t *testing.T, dir string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	names, err := pki.ParseNames("localhost", "127.0.0.1")
	if err == nil {
		_, err = pki.Ensure(root, names, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

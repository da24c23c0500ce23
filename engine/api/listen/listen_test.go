package listen_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/engine/api/listen"
	"cove/errdefs"
)

func TestUnixSocketIsForItsOwnerAndGroup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run", "docker.sock")
	l, err := listen.Unix(t.Context(), path, listen.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := listen.Unix(t.Context(), path, listen.Owner{}); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("a socket that is served is %v", err)
	}
	leave(l)
	l, err = listen.Unix(t.Context(), path, listen.Owner{})
	if err != nil {
		t.Fatalf("a socket that nobody serves is in the way: %v", err)
	}
	l.Close()
}

// leave closes a socket as a server that was killed does.
func leave(l net.Listener) {
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func TestUnixSocketHasItsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: files are given away")
	}
	for owner, want := range map[listen.Owner][2]uint32{
		{}: {0, 0}, {User: "nobody"}: {65534, 0}, {User: "1234", Group: "5678"}: {1234, 5678}, {Group: "root"}: {0, 0},
	} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := listen.Unix(t.Context(), path, owner)
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || [2]uint32{st.Uid, st.Gid} != want || st.Mode&0o777 != 0o660 {
			t.Errorf("of %+v: %v, %d:%d, mode %o", owner, err, st.Uid, st.Gid, st.Mode)
		}
		l.Close()
	}
}

// TestServersThatRace: of many that find one dead socket, one has it, and it is the one
// that clients reach.
func TestServersThatRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 20 {
		path := filepath.Join(dir, strconv.Itoa(i))
		l, err := listen.Unix(t.Context(), path, listen.Owner{})
		if err != nil {
			t.Fatal(err)
		}
		leave(l)
		var all sync.WaitGroup
		var got [8]net.Listener
		begin := make(chan struct{})
		for n := range got {
			all.Go(func() {
				<-begin
				l, err := listen.Unix(t.Context(), path, listen.Owner{})
				if err == nil {
					got[n] = l
				} else if !errors.Is(err, errdefs.ErrConflict) {
					t.Error(err)
				}
			})
		}
		close(begin)
		all.Wait()
		serve := 0
		for _, l := range got {
			if l != nil {
				serve++
				defer l.Close()
			}
		}
		conn, err := net.Dial("unix", path)
		if err != nil || serve != 1 {
			t.Fatalf("%d of them serve, and who asks is answered: %v", serve, err)
		}
		conn.Close()
	}
}

// TestFolderThatIsLocked is told of, not waited for without end.
func TestFolderThatIsLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err == nil {
		defer f.Close()
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := listen.Unix(ctx, filepath.Join(dir, "s"), listen.Owner{}); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("%v", err)
	}
}

// TestMain is also a server that ends and leaves its socket to a program that it started.
func TestMain(m *testing.M) {
	path := os.Getenv("LEAVE_A_SOCKET")
	if path == "" {
		os.Exit(m.Run())
	}
	l, err := listen.Unix(context.Background(), path, listen.Owner{})
	if err != nil {
		panic(err)
	}
	file, err := l.(*net.UnixListener).File()
	if err != nil {
		panic(err)
	}
	heir := exec.Command("cat")
	heir.Stdin, heir.ExtraFiles = os.Stdin, []*os.File{file}
	if err := heir.Start(); err != nil {
		panic(err)
	}
	os.Exit(0)
}

// TestOrphanedSocket: a server that was killed as it started a program is out of the way
// of the next one, though its socket is still open.
func TestOrphanedSocket(t *testing.T) {
	t.Parallel()
	stays, leaves, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	defer leaves.Close() // the heirs end with it
	for _, reaped := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "s")
		server := exec.Command(os.Args[0])
		server.Env, server.Stdin = append(os.Environ(), "LEAVE_A_SOCKET="+path), stays
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		err := unix.Waitid(unix.P_PID, server.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if reaped {
			err = errors.Join(err, server.Wait())
		}
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("unix", path); err != nil {
			t.Fatalf("nobody has the socket: %v", err)
		} else {
			conn.Close()
		}
		l, err := listen.Unix(t.Context(), path, listen.Owner{})
		if err != nil {
			t.Fatalf("a socket whose server has ended (waited for: %v): %v", reaped, err)
		}
		l.Close()
		_ = server.Wait() // the second was waited for
	}
}

func TestUnixSocketThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen.Unix(t.Context(), file, listen.Owner{}); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("a file: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	for _, owner := range []listen.Owner{{Group: "no-such-group"}, {User: "no-such-user"}, {User: "-1"}} {
		if _, err := listen.Unix(t.Context(), filepath.Join(dir, "s"), owner); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("of %+v: %v", owner, err)
		}
	}
}

// certificate makes a certificate, signed by parent or by itself, and writes it with
// its key.
func certificate(t *testing.T, dir, name string, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: parent == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer, signerKey := template, any(key)
	if parent != nil {
		signer, signerKey = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, key.Public(), signerKey)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
	for suffix, text := range map[string][]byte{".pem": certPEM, ".key": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestTCPNeedsACertificateOfBoth(t *testing.T) {
	t.Parallel()
	if _, err := listen.TCP(t.Context(), "127.0.0.1:0", listen.Certificates{}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("without certificates: %v", err)
	}
	dir := t.TempDir()
	ca := certificate(t, dir, "ca", nil)
	certificate(t, dir, "server", &ca)
	client := certificate(t, dir, "client", &ca)
	stranger := certificate(t, dir, "stranger", nil)
	files := listen.Certificates{
		CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key"),
	}
	l, err := listen.TCP(t.Context(), "127.0.0.1:0", files)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "hello")
			conn.Close()
		}
	}()
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	for name, certs := range map[string][]tls.Certificate{"client": {client}, "stranger": {stranger}, "nobody": nil} {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: pool, Certificates: certs})
		var text []byte
		if err == nil {
			text, _ = io.ReadAll(conn) // a refusal comes with the first read
			conn.Close()
		}
		if served := string(text) == "hello"; served != (name == "client") {
			t.Errorf("%s is served: %v", name, served)
		}
	}
	files.CA = files.Key
	if _, err := listen.TCP(t.Context(), "127.0.0.1:0", files); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a key as authority: %v", err)
	}
}

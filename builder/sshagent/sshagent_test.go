package sshagent

import (
	"crypto/ed25519"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// writeKey makes a private key; a passphrase locks it.
func writeKey(t *testing.T, passphrase string) (string, ssh.PublicKey) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return name, public
}

// talk connects to an agent.
func talk(t *testing.T, a *Agent) agent.ExtendedAgent {
	t.Helper()
	here, there := net.Pipe()
	go func() { _ = a.Serve(there) }()
	t.Cleanup(func() { here.Close() })
	return agent.NewClient(here)
}

// TestAgent: keys of a file, and those of an agent behind a socket, are listed and
// sign; nothing else is allowed.
func TestAgent(t *testing.T) {
	t.Parallel()
	name, public := writeKey(t, "")
	own, err := Open([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = own.Serve(conn) }()
		}
	}()
	forwarded, err := Open([]string{socket})
	if err != nil {
		t.Fatal(err)
	}
	for what, a := range map[string]*Agent{"a key": own, "an agent": forwarded} {
		c := talk(t, a)
		keys, err := c.List()
		if err != nil || len(keys) != 1 || string(keys[0].Marshal()) != string(public.Marshal()) {
			t.Errorf("%s: lists %v %v", what, keys, err)
		}
		sig, err := c.Sign(public, []byte("data"))
		if err != nil || public.Verify([]byte("data"), sig) != nil {
			t.Errorf("%s: signs %v %v", what, sig, err)
		}
		if c.RemoveAll() == nil || c.Lock([]byte("x")) == nil || c.Remove(public) == nil {
			t.Errorf("%s: may be changed", what)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	locked, _ := writeKey(t, "secret")
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, paths := range map[string][]string{
		"no socket":            nil,
		"no such file":         {"/does/not/exist"},
		"has a passphrase":     {locked},
		"is not a private key": {text},
	} {
		if _, err := Open(paths); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", paths, err, want)
		}
	}
}

package registrycmd

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFreshInstall: what an empty folder becomes gives nobody anything who was not given it: T34.
func TestFreshInstall(t *testing.T) {
	t.Parallel()
	if first, second := freshInstall(t), freshInstall(t); first == second {
		t.Errorf("two installs have the password %s", first)
	}
}

func freshInstall(t *testing.T) (password string) {
	t.Helper()
	root := t.TempDir()
	p := serveIn(t, []string{"COVE_ADMIN_PASSWORD="}, os.Args[0], root, "--hostname", "registry.example.com")
	defer p.Stop()
	b, err := os.ReadFile(filepath.Join(root, "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	if password = strings.TrimSpace(string(b)); len(password) < 20 {
		t.Errorf("the password is %q", password)
	}
	if status, _, _ := p.as("admin", password, http.MethodGet, "/v2/"); status != http.StatusOK {
		t.Errorf("admin with the password that was made: %d", status)
	}
	checkModes(t, root)
	for _, guess := range []string{"", "admin", "password", "Harbor12345", "changeme", "admin123"} {
		if status, _, _ := p.as("admin", guess, http.MethodGet, "/v2/"); status != http.StatusUnauthorized {
			t.Errorf("admin with the password %q: %d", guess, status)
		}
	}
	for _, path := range []string{"/v2/", "/v2/_catalog", "/api/v1/users", "/v2/library/x/tags/list"} {
		if status := p.anonymous(http.MethodGet, path); status != http.StatusUnauthorized {
			t.Errorf("anonymous, %s: %d", path, status)
		}
	}
	resp, err := p.client.Get(p.URL("/api/v1/projects")) // it lists the public ones, to anybody
	if err != nil {
		t.Fatal(err)
	}
	list, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || bytes.Contains(list, []byte(`"name"`)) {
		t.Errorf("anonymous, the projects: %s, %v", list, err)
	}
	if status := p.anonymous(http.MethodPost, "/v2/library/x/blobs/uploads/"); status != http.StatusUnauthorized {
		t.Errorf("an anonymous push: %d", status)
	}
	checkAnonymousToken(t, p)
	checkTransport(t, p)
	return password
}

// checkModes: what is secret is the server's alone, and nothing can be written by another.
func checkModes(t *testing.T, root string) {
	t.Helper()
	secret := 0
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		mode := info.Mode().Perm()
		if mode&0o022 != 0 {
			t.Errorf("%s can be written by others: %s", rel, info.Mode())
		}
		private := rel == "admin-password" || strings.HasPrefix(rel, "registry.db") || strings.HasSuffix(rel, ".key") ||
			rel == "keys" || strings.HasPrefix(rel, "keys/") || rel == "content"
		if private {
			secret++
		}
		if private && mode&0o077 != 0 {
			t.Errorf("%s can be read by others: %s", rel, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if secret < 6 {
		t.Errorf("only %d files are secret: their names have changed", secret)
	}
}

func (p *process) anonymous(method, path string) int {
	req, err := http.NewRequest(method, p.URL(path), http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// checkAnonymousToken: who says nothing of himself gets a token for nothing.
func checkAnonymousToken(t *testing.T, p *process) {
	t.Helper()
	resp, err := p.client.Get(p.URL("/token?service=cove-registry&scope=repository:library/x:pull,push,delete"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Token string }
	_ = json.NewDecoder(resp.Body).Decode(&answer) // a refusal has none
	parts := strings.Split(answer.Token, ".")
	if len(parts) != 3 {
		return
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || bytes.Contains(claims, []byte("library/x")) {
		t.Errorf("an anonymous token: %s, %v", claims, err)
	}
}

// checkTransport: TLS 1.2 or newer, with a certificate that the own authority vouches for, and nothing without.
func checkTransport(t *testing.T, p *process) {
	t.Helper()
	trusted := p.client.Transport.(*http.Transport).TLSClientConfig.RootCAs //nolint:forcetypeassert // as ready made it
	for version, want := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		conn, err := tls.Dial("tcp", p.Address, &tls.Config{
			RootCAs: trusted, ServerName: "registry.example.com", MinVersion: version, MaxVersion: version,
		})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"))
	line := make([]byte, 12)
	if n, _ := conn.Read(line); string(line[:n]) != "HTTP/1.0 400" {
		t.Errorf("without TLS: %q", line[:n])
	}
}

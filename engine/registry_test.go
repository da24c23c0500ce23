package engine

import (
	"context"
	"testing"
)

// keychain has the name of whoever asks for one host.
type keychain struct{ host, user string }

func (k keychain) Credentials(_ context.Context, host string) (Credentials, error) {
	if host != k.host {
		return Credentials{}, nil
	}
	return Credentials{Username: k.user, Password: "p"}, nil
}

// TestAs: two callers of one engine do not see each other's sign-ins.
func TestAs(t *testing.T) {
	t.Parallel()
	mine, err := Open(Config{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	theirs := mine.As(keychain{"reg.example.com", "somebody"})
	for host, want := range map[string]bool{"reg.example.com": true, "other.example.com": false} {
		for engine, want := range map[*Engine]bool{theirs: want, mine: false} {
			registry, err := engine.Registry()
			if err != nil {
				t.Fatal(err)
			}
			if got := registry.SignedIn(t.Context(), host); got != want {
				t.Errorf("%s: signed in is %v, want %v", host, got, want)
			}
		}
	}
	if a, err := mine.Content(); err != nil {
		t.Error(err)
	} else if b, err := theirs.Content(); err != nil || a != b {
		t.Errorf("not the same store: %v", err)
	}
}

func TestRegistryHost(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "docker.io", "harbor:85": "harbor:85", "https://harbor.example.com/": "harbor.example.com", "http://h:1/v2/": "h:1",
	} {
		var args []string
		if in != "" {
			args = []string{in}
		}
		if got := RegistryHost(args...); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

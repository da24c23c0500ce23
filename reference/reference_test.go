package reference

import (
	"errors"
	"strings"
	"testing"

	"cove/errdefs"
)

const (
	hex256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	sha256 = "sha256:" + hex256
	sha512 = "sha512:" + hex256 + hex256
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, canonical, familiar string }{
		{"redis", "docker.io/library/redis:latest", "redis:latest"},
		{"redis:7", "docker.io/library/redis:7", "redis:7"},
		{"you/app", "docker.io/you/app:latest", "you/app:latest"},
		{"you/app/web:v1", "docker.io/you/app/web:v1", "you/app/web:v1"},
		{"library/redis", "docker.io/library/redis:latest", "redis:latest"},
		{"docker.io/redis", "docker.io/library/redis:latest", "redis:latest"},
		{"index.docker.io/redis:6", "docker.io/library/redis:6", "redis:6"},
		{"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
		{"localhost/app", "localhost/app:latest", "localhost/app:latest"},
		{"localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"},
		{"harbor/app", "docker.io/harbor/app:latest", "harbor/app:latest"},
		{"harbor:443/app", "harbor:443/app:latest", "harbor:443/app:latest"},
		{"172.18.8.104/team/app:v1", "172.18.8.104/team/app:v1", "172.18.8.104/team/app:v1"},
		{"[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"},
		{"[fe80::2]/app:x", "[fe80::2]/app:x", "[fe80::2]/app:x"},
		{"Registry/app", "Registry/app:latest", "Registry/app:latest"},
		{"redis@" + sha256, "docker.io/library/redis@" + sha256, "redis@" + sha256},
		{"redis:7@" + sha256, "docker.io/library/redis:7@" + sha256, "redis:7@" + sha256},
		{"redis@" + sha512, "docker.io/library/redis@" + sha512, "redis@" + sha512},
		{"harbor.example.com:85/p/app@" + sha256, "harbor.example.com:85/p/app@" + sha256, "harbor.example.com:85/p/app@" + sha256},
		{"a--b/c__d.e_f", "docker.io/a--b/c__d.e_f:latest", "a--b/c__d.e_f:latest"},
		{"app:" + strings.Repeat("t", 128), "docker.io/library/app:" + strings.Repeat("t", 128), "app:" + strings.Repeat("t", 128)},
		{hex256[:63], "docker.io/library/" + hex256[:63] + ":latest", hex256[:63] + ":latest"},
		{"app:_X.y-z", "docker.io/library/app:_X.y-z", "app:_X.y-z"},
	}
	for _, tt := range tests {
		ref, err := Parse(tt.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.in, err)
			continue
		}
		if got := ref.String(); got != tt.canonical {
			t.Errorf("Parse(%q) = %s, want %s", tt.in, got, tt.canonical)
		}
		if got := ref.Familiar(); got != tt.familiar {
			t.Errorf("Parse(%q).Familiar() = %s, want %s", tt.in, got, tt.familiar)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, says string }{
		{"", "missing"},
		{":7", "missing"},
		{"@" + sha256, "missing"},
		{"localhost:5000/", "missing"},
		{"Redis", "did you mean redis"},
		{"you/App", "did you mean you/app"},
		{"a//b", "components"},
		{"/a", "components"},
		{"a/", "components"},
		{"a..b", "components"},
		{"a___b", "components"},
		{"-a", "components"},
		{"a-", "components"},
		{"a b", "components"},
		{"../etc", "registry"},
		{"app:", "tag"},
		{"app:-x", "tag"},
		{"app:" + strings.Repeat("t", 129), "tag"},
		{"app@" + hex256, "sha256:…"},
		{"app@sha256:" + hex256[:63], "64 hexadecimal"},
		{"app@sha256:" + strings.ToUpper(hex256), "64 hexadecimal"},
		{"app@sha384:" + hex256, "sha256:…"},
		{hex256, "image id"},
		{hex256 + ":latest", "image id"},
		{"host.:5000/app", "registry"},
		{"host:99999/app", "registry"},
		{"host:0/app", "registry"},
		{"host:+80/app", "registry"},
		{"[::g]/app:x", "registry"},
		{"https://host.example/app", "registry"},
		{"h.example/" + strings.Repeat("a", 250), "longer than 255"},
		{"redis\x00", "components"},
	}
	for _, tt := range tests {
		ref, err := Parse(tt.in)
		if !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("Parse(%q) = %v, %v, want ErrInvalid", tt.in, ref, err)
			continue
		}
		if !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Parse(%q): %v: want %q in it", tt.in, err, tt.says)
		}
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"redis", ""},
		{"harbor.example.com/app", ""},
		{"localhost/app", ""},
		{"harbor/app", "`harbor/app:latest` goes to docker.io: did you mean harbor:443/app:latest? A registry's"},
		{"harbor/team/app:v1", "`harbor/team/app:v1` goes to docker.io: did you mean harbor:443/team/app:v1"},
		{"lemonbar/centos6-ssh", ""},
		{"lemonbar/team/app", "`lemonbar/team/app:latest` goes to docker.io, whose names have two parts: a registry's"},
	}
	known := func(host string) string { return map[string]string{"harbor": "harbor:443"}[host] }
	for _, tt := range tests {
		ref, err := Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		got := ref.Hint(known)
		if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("Hint(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	ref, err := Parse("redis:7@" + sha256)
	if err != nil {
		t.Fatal(err)
	}
	if got := ref.WithTag("8").String(); got != "docker.io/library/redis:8" {
		t.Error(got)
	}
	if got := ref.WithDigest(sha512).String(); got != "docker.io/library/redis@"+sha512 {
		t.Error(got)
	}
	if got := ref.Object(); got != sha256 {
		t.Error(got)
	}
	if got := ref.WithTag("8").Object(); got != "8" {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"redis", "a.b:5/c/d:e@" + sha256, "[::1]:80/x", "library/a/b", "A/b", "a__b--c.d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := Parse(s)
		if err != nil {
			if !errors.Is(err, errdefs.ErrInvalid) {
				t.Fatalf("Parse(%q): kind of %v", s, err)
			}
			return
		}
		for _, form := range []string{ref.String(), ref.Familiar()} {
			again, err := Parse(form)
			if err != nil || again != ref {
				t.Fatalf("Parse(%q) = %#v; its form %q parses to %#v, %v", s, ref, form, again, err)
			}
		}
		if !ValidRepository(ref.Repository) || strings.Contains(ref.Repository, "..") {
			t.Fatalf("Parse(%q) let repository %q through", s, ref.Repository)
		}
	})
}

func TestEncoded(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"sha256:0123": "0123", "sha512:0123": "0123", "0123": "0123", "": "", "sha1:0123": "sha1:0123", "sha256:": "",
	} {
		if got := Encoded(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

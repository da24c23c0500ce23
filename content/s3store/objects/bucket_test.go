package objects_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/content/contenttest"
	"cove/content/s3store/objects"
	"cove/content/s3store/s3test"
	"cove/errdefs"
)

func mustBe(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("%v, want %v", err, kind)
	}
}

// TestReplacedWhileRead reads an object that somebody replaces by another meanwhile.
func TestReplacedWhileRead(t *testing.T) {
	t.Parallel()
	bucket := s3test.Start(t).Bucket(t)
	if err := bucket.Put(t.Context(), "x", contenttest.Bytes(1, 1<<20)); err != nil {
		t.Fatal(err)
	}
	r, err := bucket.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := bucket.Put(t.Context(), "x", contenttest.Bytes(2, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.ReadAt(make([]byte, 100), 500_000); err == nil {
		t.Errorf("%d bytes of another object", n)
	}
}

func TestPutNew(t *testing.T) {
	t.Parallel()
	bucket := s3test.Start(t).Bucket(t)
	if err := bucket.PutNew(t.Context(), "x", []byte("first")); err != nil {
		t.Fatal(err)
	}
	mustBe(t, bucket.PutNew(t.Context(), "x", []byte("second")), errdefs.ErrExists)
	if b, err := bucket.Get(t.Context(), "x"); string(b) != "first" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	wrong := filepath.Join(s3test.Dir(t), "credentials")
	text := "[default]\naws_access_key_id = cove\naws_secret_access_key = no\n"
	if err := os.WriteFile(wrong, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*objects.Config)
		kind   error
		say    string
	}{
		"right":         {func(*objects.Config) {}, nil, ""},
		"bucket":        {func(c *objects.Config) { c.Bucket = "missing" }, errdefs.ErrUnavailable, "no such bucket"},
		"no bucket":     {func(c *objects.Config) { c.Bucket = "" }, errdefs.ErrInvalid, "names no bucket"},
		"credentials":   {func(c *objects.Config) { c.Credentials = wrong }, errdefs.ErrUnavailable, "refuses the credentials"},
		"no such file":  {func(c *objects.Config) { c.Credentials = wrong + "x" }, errdefs.ErrInvalid, "credentials"},
		"no authority":  {func(c *objects.Config) { c.CA = "" }, errdefs.ErrUnavailable, "certificate"},
		"no ca":         {func(c *objects.Config) { c.CA = wrong }, errdefs.ErrInvalid, "holds no certificate"},
		"endpoint":      {func(c *objects.Config) { c.Endpoint = "s3.example.com" }, errdefs.ErrInvalid, "https://HOST"},
		"nobody listen": {func(c *objects.Config) { c.Endpoint = "https://127.0.0.1:1" }, errdefs.ErrUnavailable, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := server.Config()
			cfg.Attempts = 1
			c.change(&cfg)
			b, err := objects.Connect(t.Context(), cfg)
			if err == nil {
				defer b.Close()
				err = b.Check(t.Context())
			}
			if !errors.Is(err, c.kind) || err != nil && !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v, want %v and %q", err, c.kind, c.say)
			}
		})
	}
}

package web_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// pullable is a registry in which everything can be pulled.
type pullable struct{ distribution.Registry }

// GetManifest implements distribution.ManifestReader.
func (pullable) GetManifest(context.Context, string, digest.Digest) (distribution.Manifest, error) {
	return distribution.Manifest{}, nil
}

// TestLastPull shows when an artifact was pulled, and to those who may read the log of its
// project by whom.
func TestLastPull(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada", "bob")
	s.Project(t, "team", true, map[string]string{"ada": "project-admin", "bob": "guest"})
	img := s.Push(t, "team/app", "v1", webtest.Image{})
	v := s.As(t, "ada")
	if body := v.Get("/artifacts/team/app:v1", 200); !strings.Contains(body, "never, as far as is known") {
		t.Errorf("before any pull: %s", body)
	}
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	db, err := metadata.Open(t.Context(), metadata.Config{DSN: filepath.Join(s.Root, "registry.db")})
	if err != nil {
		t.Fatal(err)
	}
	r := audit.NewRecorder(db, slog.New(slog.DiscardHandler), func() time.Time { return at })
	pull := auth.WithCaller(t.Context(), auth.Caller{Name: "carol"})
	if _, err := r.Pulls(pullable{}).GetManifest(pull, "team/app", img.Digest); err != nil {
		t.Fatal(err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	r.Run(over) // writes the rest
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for who, by := range map[string]bool{"admin": true, "ada": true, "bob": false} {
		body := s.As(t, who).Get("/artifacts/team/app:v1", 200)
		if !strings.Contains(body, "2031-02-03T04:05:06Z") || strings.Contains(body, "by carol") != by {
			t.Errorf("%s sees: %s", who, body)
		}
	}
	nobody := s.Visitor(t).Get("/artifacts/team/app:v1", 200)
	if !strings.Contains(nobody, "2031-02-03T04:05:06Z") || strings.Contains(nobody, "carol") {
		t.Errorf("nobody sees: %s", nobody)
	}
	if body := string(s.API(t, "GET", "/artifacts/team/app:v1", "", 200)); !strings.Contains(body, `"pulledAt":"2031-02-03T04:05:06Z","pulledBy":"carol"`) {
		t.Errorf("the API says %s", body)
	}
}

package config_test

import (
	"strings"
	"testing"
	"time"

	"cove/internal/strictyaml"
	"cove/registry/server/config"
)

// TestShown: what is shown can be read as a file again, and holds no password.
func TestShown(t *testing.T) {
	t.Parallel()
	for _, database := range []string{
		"", "postgres://cove:hunter2@db.example.com/cove?sslmode=require", "postgres://cove@db/cove?password=hunter2",
		"postgres://cove:hunter2@[/x",
	} {
		c := config.Config{Root: "/srv/registry", Listen: ":5000", Database: database, Hostnames: []string{"a.test"}}
		c.Sessions.Idle = strictyaml.Duration(90 * time.Minute)
		text, err := c.Shown()
		if err != nil || strings.Contains(text, "hunter2") {
			t.Errorf("%q: %v\n%s", database, err, text)
		}
		var again config.Config
		if err := strictyaml.Decode("shown", []byte(text), &again); err != nil || again.Sessions.Idle != c.Sessions.Idle ||
			again.Root != c.Root || len(again.Hostnames) != 1 {
			t.Errorf("read again: %v\n%s", err, text)
		}
		if c.Database != database {
			t.Error("the configuration itself was changed")
		}
	}
}

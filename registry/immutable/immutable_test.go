package immutable

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/selector"
)

// TestAccessoriesAreFree: the tags of cosign are never kept.
func TestAccessoriesAreFree(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("0a", 32)
	for tag, want := range map[string]bool{
		"sha256-" + hex + ".sig":  true,
		"sha256-" + hex + ".att":  true,
		"sha256-" + hex + ".sbom": true,
		"sha256-" + hex:           true,
		"sha256-" + hex[1:]:       false,
		"v1.sig":                  false,
		"latest":                  false,
		"xsha256-" + hex + ".sig": false,
	} {
		if got := accessory.MatchString(tag); got != want {
			t.Errorf("%s: %v", tag, got)
		}
	}
}

// TestGuardOfNothing: a tag that names nothing may name something, whatever the
// rules are.
func TestGuardOfNothing(t *testing.T) {
	t.Parallel()
	db := metadatatest.OpenSQLite(t, time.Now)
	rules := New(db, auth.Judge{})
	err := db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.EnsureRepository(ctx, "team/app", metadata.Creator{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rule, err := rules.Add(t.Context(), auth.Operator(), "team", selector.Selector{Tags: "v*"})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		return Guard(ctx, tx, "team/app", "v1", digest.FromString("x"))
	})
	if err != nil {
		t.Error(err)
	}
	for tag, want := range map[string]bool{"v1": true, "latest": false} {
		found, kept, err := Keeps(t.Context(), db.Querier(), "team/app", tag)
		if err != nil || kept != want || kept && found.ID != rule.ID {
			t.Errorf("%s: %+v %v %v", tag, found, kept, err)
		}
	}
	if err := rules.Remove(t.Context(), auth.Operator(), "other", rule.ID); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("of another project: %v", err)
	}
}

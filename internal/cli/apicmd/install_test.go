package apicmd

import (
	"errors"
	"strings"
	"testing"

	"cove/errdefs"
)

// TestGroups that go into a unit are there, and no lines of their own.
func TestGroups(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"", "root", "0"} {
		if err := checkGroup(group); err != nil {
			t.Error(err)
		}
	}
	for group, want := range map[string]error{
		"nosuchgroup": errdefs.ErrNotFound, "root\nExecStartPre=/bin/sh": errdefs.ErrInvalid, "-root": errdefs.ErrInvalid,
	} {
		if err := checkGroup(group); !errors.Is(err, want) {
			t.Errorf("%q: %v", group, err)
		}
	}
	if err := checkGroup("nosuchgroup"); !strings.Contains(err.Error(), "groupadd --system nosuchgroup") {
		t.Errorf("it does not say what to do: %v", err)
	}
}

package apicmd

import (
	"errors"
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
	for _, group := range []string{"nosuchgroup", "root\nExecStartPre=/bin/sh", "-root"} {
		if err := checkGroup(group); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%q: %v", group, err)
		}
	}
}

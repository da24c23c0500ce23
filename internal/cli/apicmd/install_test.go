package apicmd

import (
	"errors"
	"strings"
	"testing"

	"cove/engine/api/listen"
	"cove/errdefs"
)

// TestOwners that go into a unit are there, and no lines of their own.
func TestOwners(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "root", "0"} {
		if err := checkOwner(listen.Owner{User: name, Group: name}); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]error{
		"nosuchname": errdefs.ErrNotFound, "root\nExecStartPre=/bin/sh": errdefs.ErrInvalid, "-root": errdefs.ErrInvalid,
	} {
		for _, owner := range []listen.Owner{{User: name}, {Group: name}} {
			if err := checkOwner(owner); !errors.Is(err, want) {
				t.Errorf("%+v: %v", owner, err)
			}
		}
	}
	for way, owner := range map[string]listen.Owner{
		"groupadd --system nosuchname": {Group: "nosuchname"}, "useradd --system nosuchname": {User: "nosuchname"},
	} {
		if err := checkOwner(owner); !strings.Contains(err.Error(), way) {
			t.Errorf("it does not say what to do: %v", err)
		}
	}
}

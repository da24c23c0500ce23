package owners

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner/record"
)

func TestKeep(t *testing.T) {
	t.Parallel()
	for text, want := range map[record.Sharing]struct {
		user string
		kind error
	}{
		"keep-id":             {"0:0", nil},
		"keep-id:uid=7":       {"7:0", nil},
		"keep-id:gid=8,uid=7": {"7:8", nil},
		"keep-id:size=1000":   {"0:0", nil},
		"keep-id:size=0":      {"", errdefs.ErrInvalid},
		"keep-id:uid=-1":      {"", errdefs.ErrInvalid},
		"keep-id:uid":         {"", errdefs.ErrInvalid},
		"keep-id:name=me":     {"", errdefs.ErrInvalid},
		"keep-id:uid=7,":      {"", errdefs.ErrInvalid},
	} {
		kept, err := Keep(text)
		if !errors.Is(err, want.kind) {
			t.Errorf("%s: %v", text, err)
		}
		if os.Geteuid() == 0 && kept.User != want.user {
			t.Errorf("%s: runs as %q, want %q", text, kept.User, want.user)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	all := map[string]record.Sharing{
		"own": record.Auto, "with-own": record.OfContainer("own"), "with-with": record.OfContainer("with-own"),
		"other": record.Auto, "host": "",
	}
	find := func(_ context.Context, name string) (record.Config, error) {
		user, ok := all[name]
		if !ok {
			return record.Config{}, errdefs.Errorf(errdefs.ErrNotFound, "container %s", name)
		}
		return record.Config{ID: name, Shared: record.Shared{User: user}}, nil
	}
	for _, c := range []struct {
		user    record.Sharing
		network string
		pid     record.Sharing
		kind    error
	}{
		{record.Auto, "", "", nil},
		{record.Auto, "container:own", "", errdefs.ErrUnsupported},
		{record.KeepID, "", record.OfContainer("host"), errdefs.ErrUnsupported},
		{record.OfContainer("own"), "container:own", record.OfContainer("with-with"), nil},
		{record.OfContainer("with-with"), "container:own", "", nil},
		{record.OfContainer("own"), "container:other", "", errdefs.ErrUnsupported},
		{record.OfContainer("own"), "container:host", "", errdefs.ErrUnsupported},
		{record.OfContainer("own"), "container:nobody", "", errdefs.ErrNotFound},
		{record.Auto, "host", "", errdefs.ErrInvalid},
		{record.Auto, "", record.Host, errdefs.ErrInvalid},
	} {
		o := runspec.Options{Network: c.network, Shared: record.Shared{User: c.user, PID: c.pid}}
		if err := Check(t.Context(), o, find); !errors.Is(err, c.kind) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	o := runspec.Options{Shared: record.Shared{User: record.Auto, UTS: record.Host}}
	if err := Check(t.Context(), o, find); err == nil || !strings.Contains(err.Error(), "UTS") {
		t.Errorf("the host's UTS namespace: %v", err)
	}
	o = runspec.Options{Shared: record.Shared{User: record.KeepID}}
	o.Security.Privileged = true
	if err := Check(t.Context(), o, find); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("privileged: %v", err)
	}
}

package engine

import (
	"errors"
	"slices"
	"testing"

	"cove/engine/stats"
	"cove/errdefs"
)

func TestVolumesAreChosen(t *testing.T) {
	e, err := Open(Config{Root: t.TempDir(), Run: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, labels := range map[string]map[string]string{"data": {"team": "x"}, "data2": {"team": "y"}, "logs": nil} {
		if _, err := e.CreateVolume(ctx, name, labels); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		filter VolumeFilter
		want   []string
	}{
		{nil, []string{"data", "data2", "logs"}},
		{VolumeFilter{"name": {"data"}}, []string{"data", "data2"}},
		{VolumeFilter{"name": {"data"}, "label": {"team=y"}}, []string{"data2"}},
		{VolumeFilter{"name": {"^data$", "og"}}, []string{"data", "logs"}},
		{VolumeFilter{"driver": {"nfs", "local"}}, []string{"data", "data2", "logs"}},
		{VolumeFilter{"driver": {"nfs"}}, nil},
		{VolumeFilter{"label": {"team", "team=x"}}, []string{"data"}},
		{VolumeFilter{"dangling": {"true"}}, []string{"data", "data2", "logs"}},
		{VolumeFilter{"dangling": {"0"}}, nil},
	} {
		all, err := e.Volumes(ctx, tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, v := range all {
			names = append(names, v.Name)
		}
		if !slices.Equal(names, tt.want) {
			t.Errorf("%v: %q, want %q", tt.filter, names, tt.want)
		}
	}
	for _, f := range []VolumeFilter{{"dangling": {"perhaps"}}, {"colour": {"red"}}, {"name": {"("}}} {
		if _, err := e.Volumes(ctx, f); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%v: got %v, want ErrInvalid", f, err)
		}
	}
}

func TestInspectTriesEveryKind(t *testing.T) {
	e, err := Open(Config{Root: t.TempDir(), Run: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := e.CreateVolume(ctx, "Data", nil); err != nil { // no image can have this name
		t.Fatal(err)
	}
	for kind, want := range map[Kind]error{
		AnyKind: nil, VolumeKind: nil,
		ContainerKind: errdefs.ErrNotFound, NetworkKind: errdefs.ErrNotFound, "pod": errdefs.ErrInvalid,
	} {
		if _, err := e.Inspect(ctx, kind, "Data"); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", kind, err, want)
		}
	}
	if _, err := e.Inspect(ctx, AnyKind, "nothing"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestStatsOfNothing(t *testing.T) {
	e, err := Open(Config{Root: t.TempDir(), Run: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Stats(t.Context(), nil, true); err != nil || len(got) != 0 {
		t.Errorf("no container: %v, %v", got, err)
	}
	if _, err := e.Stats(t.Context(), []string{"missing"}, true); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a name of nobody: %v, want ErrNotFound", err)
	}
	rows := stats.Between([]stats.Sample{{ID: "a"}}, []stats.Sample{{ID: "a"}, {ID: "new"}})
	if len(rows) != 2 || rows[1].ID != "new" {
		t.Errorf("between two looks: %v", rows)
	}
}

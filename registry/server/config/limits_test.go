package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestLimits: what is not set has its usual value, what cannot be held is refused by its name.
func TestLimits(t *testing.T) {
	t.Parallel()
	set := Limits{Manifest: 2 << 20}.Set()
	if set.Manifest != 2<<20 || set.Depth != 32 || set.Page != 1000 {
		t.Errorf("%+v", set)
	}
	if err := set.check(); err != nil {
		t.Error(err)
	}
	fields := reflect.TypeFor[Limits]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if f.Type.Kind() != reflect.Int {
			continue
		}
		if reflect.ValueOf(set).Field(i).Int() == 0 {
			t.Errorf("%s has no usual value", f.Name)
		}
		wrong := Limits{}
		reflect.ValueOf(&wrong).Elem().Field(i).SetInt(-1)
		if err := wrong.check(); err == nil || !strings.Contains(err.Error(), f.Tag.Get("yaml")+" is -1; use ") {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

package userdir_test

import (
	"testing"

	"cove/internal/userdir"
)

func TestFolders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		env          map[string]string
		config, data string
	}{
		{"a home alone", map[string]string{"HOME": "/h"}, "/h/.config/cove/x", "/h/.local/share/cove"},
		{
			"variables",
			map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"},
			"/c/cove/x", "/d/cove",
		},
		{
			"relative ones are ignored",
			map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": "./d"},
			"/h/.config/cove/x", "/h/.local/share/cove",
		},
		{"variables without a home", map[string]string{"XDG_CONFIG_HOME": "/c"}, "/c/cove/x", ""},
		{"neither", nil, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			getenv := func(name string) string { return tt.env[name] }
			if got := userdir.Config(getenv, "cove", "x"); got != tt.config {
				t.Errorf("Config = %q, want %q", got, tt.config)
			}
			if got := userdir.Data(getenv, "cove"); got != tt.data {
				t.Errorf("Data = %q, want %q", got, tt.data)
			}
		})
	}
}

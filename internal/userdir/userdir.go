// Package userdir finds a person's own folders as the XDG base directory
// specification 0.8 has them. A variable that holds a relative path is ignored,
// which the specification asks for.
package userdir

import (
	"os"
	"path/filepath"
)

// Config is the file or folder elem below $XDG_CONFIG_HOME, else below ~/.config; ""
// for whom neither has. getenv nil is os.Getenv.
func Config(getenv func(string) string, elem ...string) string {
	return find(getenv, "XDG_CONFIG_HOME", ".config", elem)
}

// Data is the file or folder elem below $XDG_DATA_HOME, else below ~/.local/share; ""
// for whom neither has. getenv nil is os.Getenv.
func Data(getenv func(string) string, elem ...string) string {
	return find(getenv, "XDG_DATA_HOME", ".local/share", elem)
}

func find(getenv func(string) string, variable, underHome string, elem []string) string {
	if getenv == nil {
		getenv = os.Getenv
	}
	base := getenv(variable)
	if !filepath.IsAbs(base) {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		base = filepath.Join(home, underHome)
	}
	return filepath.Join(append([]string{base}, elem...)...)
}

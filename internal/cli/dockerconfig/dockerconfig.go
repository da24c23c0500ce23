// Package dockerconfig reads what a person's config.json of docker's command line says
// beside the sign-ins: how lists look, what stays when others are pruned, which keys
// leave a container, which proxies containers and builds are told of.
package dockerconfig

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cove/internal/leanjson"
)

// Env is the variable that says which folder the file is in.
const Env = "DOCKER_CONFIG"

// File is what is read of it; all other keys are passed over.
type File struct {
	// The formats are Go templates for lists that are asked for without --format.
	PsFormat       string `json:"psFormat"`
	ImagesFormat   string `json:"imagesFormat"`
	NetworksFormat string `json:"networksFormat"`
	VolumesFormat  string `json:"volumesFormat"`
	StatsFormat    string `json:"statsFormat"`

	// PruneFilters are filters of every prune, KEY=VALUE each.
	PruneFilters []string `json:"pruneFilters"`
	DetachKeys   string   `json:"detachKeys"`
	// Proxies are by the address of a daemon; "default" are those of all others.
	Proxies map[string]Proxies `json:"proxies"`
	// PluginFolders are searched before docker's own folders.
	PluginFolders []string `json:"cliPluginsExtraDirs"`
}

// Proxies are what the variables of the same names are to say.
type Proxies struct {
	HTTP  string `json:"httpProxy"`
	HTTPS string `json:"httpsProxy"`
	FTP   string `json:"ftpProxy"`
	None  string `json:"noProxy"`
	All   string `json:"allProxy"`
}

// Folder is where the file is, "" when nothing says.
func Folder(getenv func(string) string) string {
	if home := getenv("HOME"); home != "" {
		return cmp.Or(getenv(Env), filepath.Join(home, ".docker"))
	}
	return getenv(Env)
}

// Read reads the file; one that is not there says nothing.
func Read(getenv func(string) string) (f File, err error) {
	dir := Folder(getenv)
	if dir == "" {
		return f, nil
	}
	name := filepath.Join(dir, "config.json")
	body, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(body) == 0 {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("docker's configuration: %w", err)
	}
	if err := leanjson.Unmarshal(body, &f); err != nil {
		return File{}, fmt.Errorf("docker's configuration %s: %w", name, err)
	}
	return f, nil
}

// ProxyVariables are the variables that tell of the proxies, as NAME=VALUE in both
// cases of letters, without those that has knows already.
func (f File) ProxyVariables(has func(name string) bool) (vars []string) {
	p := f.Proxies["default"]
	for _, v := range []struct{ name, value string }{
		{"HTTP_PROXY", p.HTTP},
		{"HTTPS_PROXY", p.HTTPS},
		{"FTP_PROXY", p.FTP},
		{"NO_PROXY", p.None},
		{"ALL_PROXY", p.All},
	} {
		for _, name := range []string{v.name, strings.ToLower(v.name)} {
			if v.value != "" && !has(name) {
				vars = append(vars, name+"="+v.value)
			}
		}
	}
	return vars
}

// WithProxies is env with them, but for those that it says, or wants away.
func (f File) WithProxies(env []string) []string {
	has := func(name string) bool {
		return slices.ContainsFunc(env, func(v string) bool { return v == name || strings.HasPrefix(v, name+"=") })
	}
	return append(f.ProxyVariables(has), env...)
}

package composecmd

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// systemFolders are where packages put docker's plugins.
var systemFolders = []string{
	"/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
	"/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
}

// folders are docker's folders of plugins, in its order: those that its configuration
// names, a person's own, those of the machine.
func folders(getenv func(string) string, read func(string) ([]byte, error)) []string {
	config := getenv("DOCKER_CONFIG")
	if home := getenv("HOME"); config == "" && home != "" {
		config = filepath.Join(home, ".docker")
	}
	if config == "" {
		return systemFolders
	}
	var settings struct {
		Extra []string `json:"cliPluginsExtraDirs"`
	}
	if body, err := read(filepath.Join(config, "config.json")); err == nil {
		_ = json.Unmarshal(body, &settings) // compose itself says what is wrong with it
	}
	return append(append(settings.Extra, filepath.Join(config, "cli-plugins")), systemFolders...)
}

// find returns the path of compose, "" if it is nowhere: docker's own, or else the one that
// cove was installed with.
func find(folders []string, path, own string) string {
	for _, dir := range append(folders, filepath.SplitList(path)...) {
		if candidate := filepath.Join(dir, "docker-compose"); dir != "" && isProgram(candidate) {
			return candidate
		}
	}
	if isProgram(own) {
		return own
	}
	return ""
}

func isProgram(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

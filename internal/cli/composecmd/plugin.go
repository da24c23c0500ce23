package composecmd

import (
	"os"
	"path/filepath"

	"cove/internal/cli/dockerconfig"
)

// systemFolders are where packages put docker's plugins.
var systemFolders = []string{
	"/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
	"/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
}

// folders are docker's folders of plugins, in its order: those that its configuration
// names, a person's own, those of the machine.
func folders(getenv func(string) string) []string {
	config := dockerconfig.Folder(getenv)
	if config == "" {
		return systemFolders
	}
	f, _ := dockerconfig.Read(getenv) // compose itself says what is wrong with it
	return append(append(f.PluginFolders, filepath.Join(config, "cli-plugins")), systemFolders...)
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

// Package apparmor knows whether the kernel confines by AppArmor profiles, and loads the one that
// containers have which ask for none.
package apparmor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"cove/errdefs"
	"cove/sandbox/host"
)

// Default is the profile of containers that ask for none.
const Default = "cove-default"

// Unconfined is what is asked for to have none.
const Unconfined = "unconfined"

// Here is what this machine has of AppArmor, as files; the zero value is the machine's own.
type Here struct {
	// Sys is the directory /sys, Parser what turns a profile's text into what the kernel takes.
	Sys, Parser string
	// User reports that this is an ordinary user, who loads no profiles.
	User bool
}

func (h Here) sys() string {
	if h.Sys == "" {
		return "/sys"
	}
	return h.Sys
}

// Enabled reports that the kernel has AppArmor switched on, and that this process may look at
// its profiles: in a container it may not, and is confined by the host's, if by any.
func (h Here) Enabled() bool {
	on, err := host.ReadFile(h.sys() + "/module/apparmor/parameters/enabled")
	if err != nil || !bytes.HasPrefix(on, []byte("Y")) {
		return false
	}
	_, err = h.profiles()
	return err == nil
}

func (h Here) profiles() ([]byte, error) {
	return os.ReadFile(h.sys() + "/kernel/security/apparmor/profiles")
}

// Loaded reports that the kernel has the profile.
func (h Here) Loaded(name string) bool {
	profiles, err := h.profiles()
	if err != nil {
		return false
	}
	for line := range bytes.Lines(profiles) {
		if found, _, _ := bytes.Cut(line, []byte(" (")); string(found) == name {
			return true
		}
	}
	return false
}

// parser is the program that loads profiles, or "".
func (h Here) parser() string {
	if h.Parser != "" {
		return h.Parser
	}
	// Whoever starts containers may have no sbin in their PATH.
	for _, name := range []string{"apparmor_parser", "/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	return ""
}

// Profile is what a container gets that asked for the profile, of "" and "docker-default" the
// default one: "" where it is to have none. A machine without AppArmor, or without the program
// that loads profiles, has no default; what was asked for by name it refuses.
func (h Here) Profile(asked string, privileged bool) (string, error) {
	switch asked {
	case Unconfined:
		return "", nil
	case "":
		mayLoad := !h.User && h.parser() != ""
		if privileged || !h.Enabled() || !mayLoad && !h.Loaded(Default) {
			return "", nil
		}
		return Default, nil
	}
	if !h.Enabled() {
		return "", errdefs.Errorf(errdefs.ErrUnsupported,
			"security option apparmor=%s: this machine has no AppArmor, or none that may be used from here; "+
				"leave it out, or say apparmor=unconfined", asked)
	}
	if asked == "docker-default" {
		return Default, nil
	}
	return asked, nil
}

// loading bounds how long the parser may take.
const loading = 30 * time.Second

// Load gives the kernel the default profile, if it has not got it: it has none after a boot.
func (h Here) Load(ctx context.Context) error {
	if h.Loaded(Default) {
		return nil
	}
	parser := h.parser()
	if parser == "" {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"AppArmor profile %s: it is not loaded, and there is no apparmor_parser to load it; "+
				"install the package apparmor, or have the container unconfined", Default)
	}
	ctx, cancel := context.WithTimeout(ctx, loading)
	defer cancel()
	// Nothing is cached; a profile that another start has loaded meanwhile is replaced by the same.
	cmd := exec.CommandContext(ctx, parser, "--skip-cache", "--replace")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("AppArmor profile %s: %s: %w: %s", Default, parser, err, bytes.TrimSpace(out))
	}
	return nil
}

package record

import (
	"fmt"
	"strings"

	"cove/errdefs"
)

// Shared says which namespaces beside the network's are not the container's own.
// Empty is the default, which is one of its own.
type Shared struct {
	PID    Sharing `json:"pid,omitempty"`    // Host, or a container's
	IPC    Sharing `json:"ipc,omitempty"`    // Host, Private, NoShm, Shareable, or a container's
	UTS    Sharing `json:"uts,omitempty"`    // Host
	Cgroup Sharing `json:"cgroup,omitempty"` // Host, Private
	User   Sharing `json:"user,omitempty"`   // Host, which is the default, Auto, KeepID, or a container's
}

// Sharing is whose a namespace is, in docker's words.
type Sharing string

// The namespaces that are no other container's.
const (
	Host      Sharing = "host"
	Private   Sharing = "private"
	Shareable Sharing = "shareable"
	NoShm     Sharing = "none" // private, without /dev/shm
	// Auto is a user namespace with a range of ids that no other container has.
	Auto Sharing = "auto"
	// KeepID is a user namespace in which whoever made the container is who they are
	// outside; options may follow, see [Sharing.Kept].
	KeepID Sharing = "keep-id"
)

const containerPrefix = "container:"

// OfContainer is the sharing of the namespace of a container.
func OfContainer(id string) Sharing { return Sharing(containerPrefix + id) }

// Peer is the container whose namespace it is, if it is one's.
func (s Sharing) Peer() (id string, ok bool) { return strings.CutPrefix(string(s), containerPrefix) }

// Kept reports whether it is KeepID, and with which options behind a colon.
func (s Sharing) Kept() (options string, ok bool) {
	word, options, _ := strings.Cut(string(s), ":")
	return options, word == string(KeepID)
}

// SharesIPC refuses to join the IPC namespace of a container that keeps it for itself.
func SharesIPC(root, id string) error {
	cfg, err := Of(root, id).Config()
	if err != nil {
		return fmt.Errorf("failed to join IPC namespace: container %.12s: %w", id, err)
	}
	if _, joins := cfg.Shared.IPC.Peer(); joins || cfg.Shared.IPC == Host || cfg.Shared.IPC == Shareable {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrConflict,
		"can't join IPC of container %s: non-shareable IPC; make that container with the IPC mode shareable", id)
}

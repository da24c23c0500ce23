package errdefs

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Remedy is what would help against a failure, without the words for it: the
// command line names a flag, an API its parameter. A floor that knows one says
// so by [Suggest]; every edge has words for all of them.
type Remedy string

// The remedies.
const (
	// Force: do it although something is in the way that the caller may lose.
	Force Remedy = "force"
	// RemoveForced: remove what cannot be read any more.
	RemoveForced Remedy = "remove by force"
	// StopFirst: end the container's processes, then try again.
	StopFirst Remedy = "stop first"
	// GiveName: choose the name, as none could be made up.
	GiveName Remedy = "give a name"
	// PlainHTTP: say that the registry is meant to be spoken to without TLS.
	PlainHTTP Remedy = "plain HTTP"
	// Login: show the registry who one is.
	Login Remedy = "log in"
	// Entitle: allow the build what its Dockerfile asks for.
	Entitle Remedy = "entitle"
	// NoNetwork: do without a network of its own.
	NoNetwork Remedy = "no network"
	// GiveSecret: hand the build the secret of that id.
	GiveSecret Remedy = "give a secret"
	// GiveAgent: let the build use the ssh agent of that id.
	GiveAgent Remedy = "give an ssh agent"
	// NameRoot: say which state root is meant.
	NameRoot Remedy = "name the root"
	// Prune: remove what nothing uses, to make room.
	Prune Remedy = "prune"
	// MakeProject: make the project, or use one that is there.
	MakeProject Remedy = "make a project"
	// RecoverDatabase: put a backup of the registry's database back, make it
	// again from the records beside its content, or begin anew.
	RecoverDatabase Remedy = "recover the database"
	// MigrateUp: bring the registry's database to this release's schema.
	MigrateUp Remedy = "migrate up"
	// MakeAdmin: make another administrator of the registry.
	MakeAdmin Remedy = "make an administrator"
	// ScanFirst: have the image scanned for vulnerabilities.
	ScanFirst Remedy = "scan first"
	// LockAnew: let the build add what its lock file lacks.
	LockAnew Remedy = "lock anew"
	// JoinUsers: join the user namespace of that container, too.
	JoinUsers Remedy = "join the user namespace"
	// KeepUsers: be the same user inside of the container.
	KeepUsers Remedy = "keep the user's id"
	// GiveKey: say by which keys signatures count.
	GiveKey Remedy = "give a key"
	// ListenElsewhere: listen on an address that nobody has.
	ListenElsewhere Remedy = "listen elsewhere"
	// CopyFiles: copy files that cannot be linked.
	CopyFiles Remedy = "copy files"
	// NameService: say where the service of buckets is.
	NameService Remedy = "name the service"
	// FreeSpace: make room on a disk, or in its table of files. See SuggestionFor.
	FreeSpace Remedy = "free space"
)

// Remedies lists them all, for the edges' tests.
func Remedies() []Remedy {
	return []Remedy{
		Force, StopFirst, GiveName, PlainHTTP, Login, Entitle, NoNetwork, GiveSecret, GiveAgent, NameRoot, Prune,
		MakeProject, RecoverDatabase, MakeAdmin, ScanFirst, LockAnew, JoinUsers, KeepUsers, GiveKey, ListenElsewhere,
		CopyFiles, NameService, FreeSpace, MigrateUp, RemoveForced,
	}
}

// Suggestion is a remedy and what it is done to: a container's name, a
// registry's host, an entitlement.
type Suggestion struct {
	Do Remedy
	To string
}

// Suggest returns err, with its text and kinds, and a suggestion for whoever
// shows it. A nil err stays nil.
func Suggest(err error, do Remedy, to string) error {
	if err == nil {
		return nil
	}
	return &suggested{err: err, s: Suggestion{Do: do, To: to}}
}

type suggested struct {
	err error
	s   Suggestion
}

func (e *suggested) Error() string { return e.err.Error() }
func (e *suggested) Unwrap() error { return e.err }

// SuggestionFor returns the outermost suggestion in err's tree: who is nearer
// to the caller knows better what he wants. A file that found no room suggests FreeSpace
// by itself, whoever wrote it.
func SuggestionFor(err error) (Suggestion, bool) {
	var s *suggested
	if errors.As(err, &s) {
		return s.s, true
	}
	if foundNoRoom(err) {
		return Suggestion{Do: FreeSpace}, true
	}
	return Suggestion{}, false
}

// foundNoRoom says that a file or directory could not be made or written for want of room.
// Other calls mean other things by ENOSPC: watches of inotify, mounts of a namespace.
func foundNoRoom(err error) bool {
	var file *fs.PathError
	var link *os.LinkError
	var why error
	switch {
	case errors.As(err, &file):
		why = file.Err
	case errors.As(err, &link):
		why = link.Err
	}
	return errors.Is(why, syscall.ENOSPC) || errors.Is(why, syscall.EDQUOT)
}

// Text is the text of err and, behind a semicolon, what would help, in the words that the
// caller has for each remedy: %s in them is what it is done to.
func Text(err error, words map[Remedy]string) string {
	s, ok := SuggestionFor(err)
	if !ok {
		return err.Error()
	}
	return err.Error() + "; " + strings.ReplaceAll(words[s.Do], "%s", s.To)
}

// Package app is what every command shares: the streams, the engine that is
// opened when one needs it, signals, and how an error becomes one line and an
// exit code.
package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"

	"cove/distribution/client/hosts"
	"cove/engine"
	"cove/engine/config"
	"cove/engine/machine"
	"cove/internal/cli/dockerconfig"
	"cove/reference"
)

// App is one invocation of the command line.
type App struct {
	// Prog begins every message: cove, build or run.
	Prog string
	// Args are the arguments as they were typed, without those that say where.
	Args []string
	// Where are those: --host with its value, or --here; none is this machine.
	Where    []string
	In       io.Reader
	Out, Err io.Writer
	// Changes applies Dockerfile instructions for commit and import.
	Changes engine.Changes
	// Root is --root, Debug is --debug.
	Root  string
	Debug bool
	// Insecure is --insecure-registry, Mirrors is --registry-mirror; nil says
	// nothing.
	Insecure []string
	Mirrors  []string

	mu      sync.Mutex
	engine  *engine.Engine
	onSig   func(os.Signal)
	signals chan os.Signal
}

// DefaultRoot is the state root when neither --root nor COVE_ROOT says.
func DefaultRoot() string { return cmp.Or(os.Getenv("COVE_ROOT"), machine.DefaultRoot()) }

// Again are the arguments by which another binary does the same in the same place.
func (a *App) Again() []string { return slices.Concat(a.Where, a.Args) }

// InsecureRegistries are those that COVE_INSECURE_REGISTRIES lists, with commas
// between them.
func InsecureRegistries() []string { return listed("COVE_INSECURE_REGISTRIES") }

// RegistryMirrors are those that COVE_REGISTRY_MIRRORS lists; nil when it is
// not set, and empty when it says that there are none.
func RegistryMirrors() []string {
	if _, set := os.LookupEnv("COVE_REGISTRY_MIRRORS"); !set {
		return nil
	}
	return append([]string{}, listed("COVE_REGISTRY_MIRRORS")...)
}

func listed(variable string) []string {
	return strings.FieldsFunc(os.Getenv(variable), func(r rune) bool { return r == ',' || r == ' ' })
}

// registries is what flags and variables say of registries.
func (a *App) registries() config.Registries {
	r := config.Registries{Insecure: a.Insecure}
	if a.Mirrors != nil {
		named := slices.DeleteFunc(slices.Clone(a.Mirrors), func(s string) bool { return s == "" })
		r.Mirrors = map[string][]string{reference.DefaultRegistry: named}
	}
	return r
}

// certsDirs are the folders of registry certificates: those that
// COVE_CERTS_DIR lists, before the system's.
func certsDirs() []string {
	return append(filepath.SplitList(os.Getenv("COVE_CERTS_DIR")), hosts.DefaultCertsDirs()...)
}

// Engine opens the engine, once. Nothing of it is read from disk yet. An ordinary
// user's command begins again here, in the user namespace where that user is root.
func (a *App) Engine() (*engine.Engine, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.engine != nil {
		return a.engine, nil
	}
	notify := func(msg string) { fmt.Fprintln(a.Err, msg) }
	// What needs root asks again, and is told why it could not.
	_ = machine.BecomeRoot(context.Background(), notify)
	root, err := filepath.Abs(a.Root)
	if err != nil {
		return nil, fmt.Errorf("--root %s: %w", a.Root, err)
	}
	a.engine, err = engine.Open(engine.Config{
		Root:        root,
		Run:         machine.RunDir(root),
		RuntimePath: os.Getenv("COVE_RUNTIME"),
		CertsDirs:   certsDirs(),
		Registries:  a.registries(),
		Changes:     a.Changes,
		Logger:      a.logger(),
		Notify:      notify,
	})
	return a.engine, err
}

func (a *App) logger() *slog.Logger {
	if !a.Debug {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Docker is what this person's configuration of docker's command line says; one that
// cannot be read says nothing, and that is told.
func (a *App) Docker() dockerconfig.File {
	f, err := dockerconfig.Read(os.Getenv)
	if err != nil {
		a.Warnf("%v", err)
	}
	return f
}

// Warnf writes a note for the person at the terminal.
func (a *App) Warnf(format string, args ...any) {
	fmt.Fprintf(a.Err, "WARNING: "+format+"\n", args...)
}

// Terminal returns the descriptor of a stream that is a terminal.
func Terminal(stream any) (fd int, ok bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// Signals makes an interrupt cancel the context that is returned, so that a
// command stops what it does and cleans up; a second interrupt kills. A
// command that hands signals on takes them over with OnSignal.
func (a *App) Signals(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	a.signals = make(chan os.Signal, 8)
	signal.Notify(a.signals, os.Interrupt, syscall.SIGTERM)
	a.OnSignal(func(sig os.Signal) {
		signal.Stop(a.signals)
		cancel(&Interrupted{Signal: sig.(syscall.Signal)})
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sig := range a.signals {
			a.mu.Lock()
			f := a.onSig
			a.mu.Unlock()
			f(sig)
		}
	}()
	return ctx, func() {
		signal.Stop(a.signals)
		close(a.signals)
		<-done
		cancel(nil)
	}
}

// OnSignal gives signals to f instead of cancelling; more are the signals that
// f wants beside interrupt and terminate. f must not block.
func (a *App) OnSignal(f func(os.Signal), more ...os.Signal) {
	a.mu.Lock()
	a.onSig = f
	a.mu.Unlock()
	if len(more) > 0 {
		signal.Notify(a.signals, more...)
	}
}

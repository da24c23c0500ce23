// Package engine is the local engine as a library: it composes images, builder
// and runner on one state root, without a daemon.
//
// It is the one place that knows how an image becomes a container, and the one
// that knows every root of garbage collection: the names of images,
// containers, the build cache and live leases. Everything is opened on first
// use, because start-up is paid by each run of a command (engine/parts).
package engine

import (
	"time"

	"cove/content/fsstore"
	"cove/engine/containers"
	"cove/engine/files"
	engineimages "cove/engine/images"
	"cove/engine/networks"
	"cove/engine/parts"
	"cove/images"
	"cove/images/image"
	"cove/images/remote"
	"cove/layers/snapshot"
	"cove/runner"
)

// Config is where an engine lives. The zero value is the machine's engine.
type Config = parts.Config

// Changes makes a config of Dockerfile instructions that only change the config; see
// Config.
type Changes = parts.Changes

// Changed is the config that Changes makes.
type Changed = image.Config

// The verbs of these nouns are the engine's.
type (
	containerVerbs = containers.Containers
	fileVerbs      = files.Files
	imageVerbs     = engineimages.Images
	networkVerbs   = networks.Networks
)

// Engine is safe for concurrent use, and several processes may have one on the
// same root.
type Engine struct {
	*containerVerbs
	*fileVerbs
	*imageVerbs
	*networkVerbs
	parts *parts.Parts
}

// Open returns the engine of a root. It touches nothing: what is broken is
// found by the first call that needs it.
func Open(cfg Config) (*Engine, error) {
	p, err := parts.Of(cfg)
	if err != nil {
		return nil, err
	}
	return of(p), nil
}

func of(p *parts.Parts) *Engine {
	return &Engine{containers.Of(p), files.Of(p), engineimages.Of(p), networks.Of(p), p}
}

// As returns the same engine for somebody who signs in at registries with what
// keychain has, and with none of the sign-ins that are kept here.
func (e *Engine) As(keychain Keychain) *Engine { return of(e.parts.As(keychain)) }

// Content, Snapshots, Images, Registry and Runner are the engine's parts, opened when
// they are first asked for, for work that a package beside the engine does.
func (e *Engine) Content() (*fsstore.Store, error) { return e.parts.Content() }

// Snapshots is described at Content.
func (e *Engine) Snapshots() (snapshot.Store, error) { return e.parts.Snapshots() }

// Images is described at Content.
func (e *Engine) Images() (*images.Store, error) { return e.parts.Images() }

// Registry is described at Content: the client of registries, with the sign-ins,
// certificates and mirrors that are configured.
func (e *Engine) Registry() (remote.Registries, error) { return e.parts.Registry() }

// Runner is described at Content.
func (e *Engine) Runner() (*runner.Runner, error) { return e.parts.Runner() }

// BuildDir is where builds keep their own state.
func (e *Engine) BuildDir() string { return e.parts.BuildDir() }

// Now is the engine's clock.
func (e *Engine) Now() time.Time { return e.parts.Now() }

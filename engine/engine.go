// Package engine is the local engine as a library: it composes images, builder
// and runner.
package engine

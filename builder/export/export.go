// Package export writes a solved build as an image: config, manifest, history.
package export

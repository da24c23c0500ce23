// Package cli is the command line: flags, one engine or registry call, output.
package cli

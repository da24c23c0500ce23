// Package files reads which files a layer holds, and an image of several layers,
// without unpacking anything. All of a layer is a stranger's choice: how far it is
// decompressed, how many entries and how long names are kept, and how many layers
// are read at once is bounded, and what was cut is said.
package files

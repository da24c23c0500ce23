// Package images keeps the local images: names, pull, push, save, load.
package images

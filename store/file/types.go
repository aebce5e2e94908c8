package file

import (
	"path"
	"strings"
)

// typeByName is the content type of a bare file by its extension. The table is
// our own and not the system's, so that two machines tell the same.
func typeByName(key string) string {
	if t, ok := types[strings.ToLower(path.Ext(key))]; ok {
		return t
	}
	return "application/octet-stream"
}

// The IANA registry of media types, for what is served on the web.
var types = map[string]string{
	".7z": "application/x-7z-compressed", ".aac": "audio/aac", ".apng": "image/apng", ".avif": "image/avif",
	".bmp": "image/bmp", ".bz2": "application/x-bzip2", ".css": "text/css; charset=utf-8", ".csv": "text/csv; charset=utf-8",
	".eot": "application/vnd.ms-fontobject", ".epub": "application/epub+zip", ".flac": "audio/flac", ".gif": "image/gif",
	".gz": "application/gzip", ".heic": "image/heic", ".htm": "text/html; charset=utf-8", ".html": "text/html; charset=utf-8",
	".ico": "image/vnd.microsoft.icon", ".ics": "text/calendar; charset=utf-8", ".jar": "application/java-archive",
	".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".js": "text/javascript; charset=utf-8", ".json": "application/json",
	".jsonld": "application/ld+json", ".jxl": "image/jxl", ".m4a": "audio/mp4", ".m4v": "video/mp4",
	".md": "text/markdown; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".mov": "video/quicktime",
	".mp3": "audio/mpeg", ".mp4": "video/mp4", ".mpeg": "video/mpeg", ".oga": "audio/ogg", ".ogg": "audio/ogg",
	".ogv": "video/ogg", ".opus": "audio/ogg", ".otf": "font/otf", ".parquet": "application/vnd.apache.parquet",
	".pdf": "application/pdf", ".png": "image/png", ".rtf": "application/rtf", ".svg": "image/svg+xml",
	".tar": "application/x-tar", ".tgz": "application/gzip", ".tif": "image/tiff", ".tiff": "image/tiff",
	".ts": "video/mp2t", ".ttf": "font/ttf", ".txt": "text/plain; charset=utf-8", ".wasm": "application/wasm",
	".wav": "audio/wav", ".weba": "audio/webm", ".webm": "video/webm", ".webmanifest": "application/manifest+json",
	".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2", ".xhtml": "application/xhtml+xml",
	".xml": "application/xml", ".yaml": "application/yaml", ".yml": "application/yaml", ".zip": "application/zip", ".zst": "application/zstd",
}

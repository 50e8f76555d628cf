import ArgumentParser
import Images
import Logging

/// The node's images.
struct ImageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Import, list and remove images.", subcommands: [Import.self, List.self, Remove.self])

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "import", abstract: "Import OCI layout or 'docker save' tarballs.")
        @OptionGroup var directories: Directories
        @Argument(help: "The tarballs.") var files: [String]

        func run() async throws {
            let store = try ImageCommand.open(directories)
            for file in files {
                do {
                    for image in try await store.importArchive(path: file) {
                        FileOutput.standardOutput("\(image.names.isEmpty ? image.image.id : image.names.joined(separator: ", "))\n")
                    }
                } catch {
                    throw Failure("cannot import \(file): \(error)")
                }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the images.")
        @OptionGroup var directories: Directories

        func run() async throws {
            var rows = [["IMAGE", "TAG", "IMAGE ID", "SIZE"]]
            for image in try ImageCommand.open(directories).list() {
                for name in image.names.isEmpty ? ["<none>:<none>"] : image.names {
                    let colon = name.lastIndex(of: ":") ?? name.endIndex
                    rows.append([String(name[..<colon]), String(name[colon...].dropFirst()), String(image.id.dropFirst(7).prefix(13)), ByteCount.text(image.size)])
                }
            }
            FileOutput.standardOutput(TextTable.text(rows))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove images by name, digest or id.")
        @OptionGroup var directories: Directories
        @Argument(help: "Names, digests or ids.") var images: [String]

        func run() async throws {
            let store = try ImageCommand.open(directories)
            for image in images {
                do {
                    _ = try await store.remove(image)
                    FileOutput.standardOutput("\(image)\n")
                } catch {
                    throw Failure("cannot remove \(image): \(error)")
                }
            }
        }
    }

    static func open(_ directories: Directories) throws -> ImageStore {
        try Preflight.root(for: "the store of images")
        try Preflight.directory(directories.dataDir, mode: 0o711)
        var logger = Logger(label: "images") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning
        return try ImageStore(dataDirectory: directories.dataDir, logger: logger)
    }
}

/// Bytes as people read them, in powers of 1000 as container tools print them.
enum ByteCount {
    static func text(_ bytes: UInt64) -> String {
        var value = Double(bytes), unit = 0
        let units = ["B", "kB", "MB", "GB", "TB"]
        while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
        let tenths = (value * 10).rounded() / 10
        return unit == 0 ? "\(bytes)B" : "\(tenths)\(units[unit])"
    }
}

/// Columns with three spaces between them, as kubectl prints them.
enum TextTable {
    static func text(_ rows: [[String]]) -> String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 3)
            }
            return line + "\n"
        }.joined()
    }
}

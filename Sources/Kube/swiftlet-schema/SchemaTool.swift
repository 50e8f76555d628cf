import ArgumentParser
import Foundation

@main
struct SchemaTool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet-schema",
        abstract: "Makes Swift types and the server's tables from the schemas of the API.",
        subcommands: [Generate.self, Check.self])
}

struct Location: ParsableArguments {
    @Option(help: "The folder that holds KubeAPI and KubeTypes.")
    var sources = "Sources/Kube"

    var schemaFolder: URL { URL(fileURLWithPath: sources).appendingPathComponent("KubeAPI/Schema") }

    /// Where a generated file goes.
    func url(of path: String) -> URL { URL(fileURLWithPath: sources).appendingPathComponent(path) }
}

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Writes the generated files.")
    @OptionGroup var location: Location

    func run() throws {
        let files = try Generator(schemaFolder: location.schemaFolder).files()
        for folder in Generator.folders {
            let url = location.url(of: folder)
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            for name in try FileManager.default.contentsOfDirectory(atPath: url.path) where files["\(folder)/\(name)"] == nil {
                try FileManager.default.removeItem(at: url.appendingPathComponent(name))
            }
        }
        for (path, text) in files where (try? String(contentsOf: location.url(of: path), encoding: .utf8)) != text {
            try text.write(to: location.url(of: path), atomically: true, encoding: .utf8)
        }
    }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Exits with 1 if a generated file is not what would be written.")
    @OptionGroup var location: Location

    func run() throws {
        let files = try Generator(schemaFolder: location.schemaFolder).files()
        var differing = files.filter { (try? String(contentsOf: location.url(of: $0.key), encoding: .utf8)) != $0.value }.map(\.key)
        for folder in Generator.folders {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: location.url(of: folder).path)) ?? []
            differing += names.map { "\(folder)/\($0)" }.filter { files[$0] == nil }
        }
        guard differing.isEmpty else {
            for path in differing.sorted() { print("\(location.sources)/\(path) is not what swiftlet-schema generates") }
            throw ExitCode.failure
        }
    }
}

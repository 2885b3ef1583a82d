Feature: HTTP Calls
  What is sent, and what comes of an answer.

  Scenario: Query and body are what expressions make of them
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: query-and-body-are-what-expressions-make-of-them, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', query: '${ {a, b: [1, true], c: null} }', body: {n: '${ .a }'}}
    """
    And given the workflow input is:
    """yaml
    a: 1.5
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    method: POST
    query: [[a, '1.5'], [b, '1'], [b, 'true']]
    body: {n: 1.5}
    """

  Scenario: A text is sent as it is when it says what it is
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-text-is-sent-as-it-is-when-it-says-what-it-is, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', headers: {content-type: text/csv}, body: 'a,b'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    method: POST
    query: []
    body: 'a,b'
    """

  Scenario: No secret shows in what is told of a request
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: no-secret-shows-in-what-is-told-of-a-request, version: '1.0.0'}
    use: {secrets: [shop]}
    do:
      - call:
          call: http
          with: {method: get, endpoint: 'https://api.test/a', headers: {X-Token: '${ "t " + $secrets.shop.token }', Accept: '*/*'}, output: response}
    """
    And given its secrets are:
    """yaml
    shop: {token: null}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 201, body: [1]}]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    request: {method: GET, uri: 'https://api.test/a', headers: {Accept: '*/*', X-Token: '[redacted]'}}
    statusCode: 201
    headers: {content-type: application/json}
    content: [1]
    """

  Scenario: A secret that is set while the run waits is seen by its next steps
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-secret-that-is-set-while-the-run-waits, version: '1.0.0'}
    use: {secrets: [shop]}
    do:
      - early: {try: [{call: {call: http, with: {method: get, endpoint: 'https://api.test/a', headers: {X-Token: '${ $secrets.shop.token }'}}}}], catch: {do: [{note: {set: {early: missing}}}]}}
      - rest: {wait: PT1M}
      - call: {call: http, with: {method: get, endpoint: 'https://api.test/a', headers: {X-Token: '${ "t " + $secrets.shop.token }'}, output: response}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 201, body: [1]}]
    """
    When the workflow is executed
    And its secrets become:
    """yaml
    shop: {token: null}
    """
    And 1 minute passes
    Then the workflow should complete with output:
    """yaml
    request: {method: GET, uri: 'https://api.test/a', headers: {X-Token: '[redacted]'}}
    statusCode: 201
    headers: {content-type: application/json}
    content: [1]
    """
    And the server should have got 1 requests

  Scenario: A redirect is an error unless it is asked for
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-redirect-is-an-error-unless-it-is-asked-for, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', redirect: false}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 302, headers: {location: /b}}]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/communication
    status: 302
    """

  Scenario: A redirect that is asked for is an answer
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-redirect-that-is-asked-for-is-an-answer, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', redirect: true, output: response}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 302, headers: {location: /b}}]
    """
    When the workflow is executed
    Then the workflow should complete
    And the workflow output should have properties 'headers.location'

  Scenario: JSON that is none is an error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: json-that-is-none-is-an-error, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', body: 1}
    """
    And given the server answers:
    """yaml
    [{path: /a, text: '<html>'}]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 502
    detail: no JSON
    """

  Scenario: Other text is a text
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: other-text-is-a-text, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', body: 1}
    """
    And given the server answers:
    """yaml
    [{path: /a, text: '<html>', headers: {content-type: text/html}}]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    <html>
    """

  Scenario: Raw is the body in base64
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: raw-is-the-body-in-base64, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', body: 1, output: raw}
    """
    And given the server answers:
    """yaml
    [{path: /a, text: '<html>', headers: {content-type: text/html}}]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    PGh0bWw+
    """

  Scenario: No answer is an error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: no-answer-is-an-error, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', body: 1}
    """
    And given the server answers:
    """yaml
    [{path: /a, failure: blocked}]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/communication
    status: 502
    detail: the stub fails by blocked
    """

  Scenario: No answer in time is an error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: no-answer-in-time-is-an-error, version: '1.0.0'}
    do:
      - call:
          call: http
          with: {method: post, endpoint: 'https://api.test/a', body: 1}
    """
    And given the server answers:
    """yaml
    [{path: /a, failure: timeout}]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 504
    """

  Scenario: An address needs what is put into it
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-address-needs-what-is-put-into-it, version: '1.0.0'}
    do:
      - call: {call: http, with: {method: get, endpoint: "https://api.test/{id}"}}
    """
    And given the workflow input is:
    """yaml
    ids: [1]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/expression
    detail: the endpoint needs `id`
    """

  Scenario: An address is absolute
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-address-is-absolute, version: '1.0.0'}
    do:
      - call: {call: http, with: {method: get, endpoint: "${ .to }"}}
    """
    And given the workflow input is:
    """yaml
    to: /here
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/configuration
    """

  Scenario: An answer that a run cannot hold is an error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-answer-that-does-not-fit, version: '1.0.0'}
    do:
      - call: {call: http, with: {method: get, endpoint: "https://api.test/a"}}
    """
    And given the server answers:
    """yaml
    - {path: /a, text: '["\u0000"]'}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 502
    detail: a text with U+0000 in it
    """
